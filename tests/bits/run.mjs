// run.mjs - a WebAssembly program in node, with the files of this machine: run.mjs PROGRAM ARGUMENT...
import { readFile } from 'node:fs/promises';
import { WASI } from 'node:wasi';
const [file, ...args] = process.argv.slice(2);
const env = { NEPHRON_ISA: process.env.NEPHRON_ISA ?? '' };
const wasi = new WASI({ version: 'preview1', args: ['program', ...args], env, preopens: { '/': '/' } });
const module = await WebAssembly.compile(await readFile(file));
process.exitCode = wasi.start(await WebAssembly.instantiate(module, { wasi_snapshot_preview1: wasi.wasiImport }));
