/* web_worker.mjs - worker.js in node, with functions in the place of a module's, over a memory of 3 GB whose
 * upper part is given out, as it is after large images: places there are negative numbers in what a module
 * returns. Run by check_web.sh. */
import { readFileSync } from 'node:fs';
import vm from 'node:vm';

const context = vm.createContext({ TextDecoder, TextEncoder, WebAssembly, Blob, Response, performance,
  crypto: globalThis.crypto, postMessage() {} });
const run = (code) => vm.runInContext(code, context);
run(readFileSync('apps/web/worker.js', 'utf8'));

const memory = new WebAssembly.Memory({ initial: 49152 }), base = 0x90000000;
let next = base;
function put(data) { /* its place, as a module returns it */
  const at = next;
  new Uint8Array(memory.buffer).set(data, at);
  next += data.length + 64 & ~63;
  return at | 0;
}
const text = (s) => put(new TextEncoder().encode(`${s}\0`));
const floats = (...v) => put(new Uint8Array(Float32Array.from(v).buffer));
const read = (at, length) => new TextDecoder().decode(new Uint8Array(memory.buffer, at >>> 0, length));

let passed = 0, failed = 0;
function expect(what, got, wanted) {
  if (JSON.stringify(got) === JSON.stringify(wanted)) return passed++;
  failed++;
  console.log(`FAILED ${what}: ${JSON.stringify(got)}, wanted ${JSON.stringify(wanted)}`);
}

const put_file = run('put_file');
let asked = '';
context.module = { memory, web_malloc: (n) => put(new Uint8Array(n)), web_free() {},
  web_error: () => text('no such thing'),
  web_image_read(at) { asked = read(at, 40).split('\0')[0]; return 0; },
  web_image_describe: () => text('{"size": [1, 1, 2], "channels": 1, "spacing": [1, 1, 1], "affine": []}'),
  web_image_voxels: () => floats(3, 4),
  web_segment: () => put(Uint8Array.of(7, 8)),
  web_classify: () => floats(0.25, 0.75),
  web_labels_write(path, map) {
    const at = map >>> 0;
    put_file(read(path, 6), new Uint8Array(memory.buffer.slice(at, at + 2)));
    return 0;
  } };
run('wasm = module');
context.files = [{ path: 'a.nii', file: new Blob(['x']) }];
const image = await run('load_image(files)');
expect('the path of an image', asked, '/image1/a.nii');
expect('its voxels', [...image.voxels], [3, 4]);
expect('a label map', [...run('segment()').map], [7, 8]);
expect('probabilities', run('classify(2)').probabilities, [0.25, 0.75]);
expect('what is saved', [...run('save(Uint8Array.of(5, 6), "m")').data], [5, 6]);
expect('a message', run('problem()').message, 'no such thing');
/* A header and its voxels are one channel, two of them two. */
for (const [names, wanted] of [
  [['b.hdr', 'b.img.gz'], 'b.hdr'],
  [['b.hdr.gz', 'b.img.gz'], 'b.img.gz'],
  [['b.img', 'b.hdr'], 'b.hdr'],
  [['b.hdr', 'b.img.gz', 'c.hdr', 'c.img'], 'b.hdr c.hdr'],
  [['a.img.gz', 'b.hdr', 'b.img.gz'], 'a.img.gz b.hdr'],
  [['a.nii.gz', 'a.json'], 'a.nii.gz'],
  [['a_0000.tif', 'a_0001.tif', 'a.json'], 'a_0000.tif a_0001.tif']]) {
  context.files = names.map((path) => ({ path, file: new Blob(['x']) }));
  await run('load_image(files)');
  expect(`channels of ${names}`, asked.replace(/\/image\d+\//g, '').replace(/\n/g, ' '), wanted);
}
/* The system's side: a path and a buffer up there. */
put_file('/b.bin', Uint8Array.of(1, 2, 3));
context.path = text('/b.bin');
context.out = put(new Uint8Array(64));
expect('a file by its path', run('system.path_filestat_get(3, 0, path, 6, out)'), 0);
expect('its size', Number(new DataView(memory.buffer).getBigUint64((context.out >>> 0) + 32, true)), 3);
expect('a function that there is not', run('system.sock_accept(1)'), 52);
console.log(`web_worker: ${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
