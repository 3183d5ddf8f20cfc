/* worker.js - runs the library's module beside the page: a file system in memory that speaks WASI, and one function for each request
 * that page.js sends. Requests and answers: {id, request, ...} and {id, error} or {id, ...}; {progress: [done, of]} in between. */
'use strict';

/* ---- a file system in memory ------------------------------------------------------------------------------------- */

const ERROR = { BADF: 8, EXIST: 20, INVAL: 28, IO: 29, ISDIR: 31, NOENT: 44, NOSYS: 52, NOTDIR: 54, NOTEMPTY: 55 };
const DIRECTORY = 3, REGULAR = 4, CHARACTER = 2;
let inodes = 1;
const folder = () => ({ inode: inodes++, entries: new Map() });
const file = (data) => ({ inode: inodes++, data, size: data.length });
const root = folder();
const open = new Map(); /* fd -> {node, offset} */
open.set(3, { node: root, offset: 0 });
let console_text = '';

/* [parent, name, node]; a parent of null is a missing folder on the way. */
function find(path) {
  const parts = path.split('/').filter((p) => p && p !== '.');
  let node = root, parent = root, name = '';
  for (let i = 0; i < parts.length; i++) {
    if (!node || !node.entries) return [null, '', null];
    parent = node;
    name = parts[i];
    node = node.entries.get(name) || null;
  }
  return [parent, name, node];
}

function make_folder(path) {
  let node = root;
  for (const part of path.split('/').filter(Boolean)) {
    if (!node.entries.has(part)) node.entries.set(part, folder());
    node = node.entries.get(part);
  }
}

function put_file(path, data) {
  make_folder(path.slice(0, path.lastIndexOf('/')));
  const [parent, name] = find(path);
  parent.entries.set(name, file(data));
}

function remove(path) {
  const [parent, name] = find(path);
  if (parent) parent.entries.delete(name);
}

function resize(node, size) {
  if (size > node.data.length) {
    const larger = new Uint8Array(Math.max(size, Math.min(2 * node.data.length, node.data.length + (64 << 20)), 4096));
    larger.set(node.data.subarray(0, node.size));
    node.data = larger;
  }
  if (size < node.size) node.data.fill(0, size, node.size);
  node.size = size;
}

/* ---- WASI -------------------------------------------------------------------------------------------------------- */

let wasm = null; /* exports of the module */
const bytes = () => new Uint8Array(wasm.memory.buffer);
const view = () => new DataView(wasm.memory.buffer);
const text_at = (at, length) => new TextDecoder().decode(bytes().slice(at, at + length));
const kind = (node) => (node.entries ? DIRECTORY : REGULAR);

function put_stat(at, node) {
  const v = view();
  bytes().fill(0, at, at + 64);
  v.setBigUint64(at + 8, BigInt(node.inode), true);
  v.setUint8(at + 16, kind(node));
  v.setBigUint64(at + 24, 1n, true);
  v.setBigUint64(at + 32, BigInt(node.entries ? 0 : node.size), true);
}

/* The pieces of memory that an array of iovec names. */
function* pieces(at, count) {
  for (let i = 0; i < count; i++) yield [view().getUint32(at + 8 * i, true), view().getUint32(at + 8 * i + 4, true)];
}

function read_at(node, offset, iovs, count, out) {
  let total = 0;
  for (const [at, length] of pieces(iovs, count)) {
    const part = node.data.subarray(Math.min(offset, node.size), Math.min(offset + length, node.size));
    bytes().set(part, at);
    offset += part.length;
    total += part.length;
  }
  view().setUint32(out, total, true);
  return total;
}

const wasi = {
  fd_prestat_get(fd, out) {
    if (fd !== 3) return ERROR.BADF;
    view().setUint32(out, 0, true);
    view().setUint32(out + 4, 1, true);
    return 0;
  },
  fd_prestat_dir_name(fd, at) {
    bytes()[at] = 47;
    return 0;
  },
  fd_fdstat_get(fd, out) {
    const f = open.get(fd);
    if (!f && fd > 2) return ERROR.BADF;
    bytes().fill(0, out, out + 24);
    view().setUint8(out, f ? kind(f.node) : CHARACTER);
    view().setBigUint64(out + 8, 0xffffffffffffffffn, true);
    view().setBigUint64(out + 16, 0xffffffffffffffffn, true);
    return 0;
  },
  fd_fdstat_set_flags: () => 0,
  path_open(fd, lookup, at, length, flags, rights, inherited, fdflags, out) {
    const [parent, name, found] = find(text_at(at, length));
    let node = found;
    if (!node) {
      if (!parent || !(flags & 1)) return ERROR.NOENT;
      node = file(new Uint8Array(0));
      parent.entries.set(name, node);
    } else if (flags & 4) return ERROR.EXIST;
    if (flags & 2 && !node.entries) return ERROR.NOTDIR;
    if (flags & 8 && !node.entries) resize(node, 0);
    let next = 4;
    while (open.has(next)) next++;
    open.set(next, { node, offset: 0, append: fdflags & 1 });
    view().setUint32(out, next, true);
    return 0;
  },
  fd_close: (fd) => (open.delete(fd) ? 0 : ERROR.BADF),
  fd_read(fd, iovs, count, out) {
    const f = open.get(fd);
    if (!f) return ERROR.BADF;
    if (f.node.entries) return ERROR.ISDIR;
    f.offset += read_at(f.node, f.offset, iovs, count, out);
    return 0;
  },
  fd_pread(fd, iovs, count, offset, out) {
    const f = open.get(fd);
    if (!f) return ERROR.BADF;
    if (f.node.entries) return ERROR.ISDIR;
    read_at(f.node, Number(offset), iovs, count, out);
    return 0;
  },
  fd_write(fd, iovs, count, out) {
    const f = open.get(fd);
    let total = 0;
    if (!f && fd !== 1 && fd !== 2) return ERROR.BADF;
    for (const [at, length] of pieces(iovs, count)) {
      total += length;
      if (!f) {
        console_text = (console_text + text_at(at, length)).slice(-4000);
        continue;
      }
      if (f.append) f.offset = f.node.size;
      if (f.offset + length > f.node.size) resize(f.node, f.offset + length);
      f.node.data.set(bytes().subarray(at, at + length), f.offset);
      f.offset += length;
    }
    view().setUint32(out, total, true);
    return 0;
  },
  fd_seek(fd, offset, whence, out) {
    const f = open.get(fd);
    if (!f || f.node.entries) return ERROR.BADF;
    const to = Number(offset) + [0, f.offset, f.node.size][whence];
    if (to < 0) return ERROR.INVAL;
    f.offset = to;
    view().setBigUint64(out, BigInt(to), true);
    return 0;
  },
  fd_tell(fd, out) {
    return wasi.fd_seek(fd, 0n, 1, out);
  },
  fd_filestat_get(fd, out) {
    const f = open.get(fd);
    if (!f) return ERROR.BADF;
    put_stat(out, f.node);
    return 0;
  },
  fd_filestat_set_size(fd, size) {
    const f = open.get(fd);
    if (!f || f.node.entries) return ERROR.BADF;
    resize(f.node, Number(size));
    return 0;
  },
  path_filestat_get(fd, flags, at, length, out) {
    const node = find(text_at(at, length))[2];
    if (!node) return ERROR.NOENT;
    put_stat(out, node);
    return 0;
  },
  path_create_directory(fd, at, length) {
    const [parent, name, node] = find(text_at(at, length));
    if (node) return ERROR.EXIST;
    if (!parent) return ERROR.NOENT;
    parent.entries.set(name, folder());
    return 0;
  },
  path_unlink_file(fd, at, length) {
    const [parent, name, node] = find(text_at(at, length));
    if (!node) return ERROR.NOENT;
    if (node.entries) return ERROR.ISDIR;
    parent.entries.delete(name);
    return 0;
  },
  path_remove_directory(fd, at, length) {
    const [parent, name, node] = find(text_at(at, length));
    if (!node) return ERROR.NOENT;
    if (!node.entries) return ERROR.NOTDIR;
    if (node.entries.size) return ERROR.NOTEMPTY;
    parent.entries.delete(name);
    return 0;
  },
  path_rename(fd, from, from_length, to_fd, to, to_length) {
    const [parent, name, node] = find(text_at(from, from_length));
    const [to_parent, to_name] = find(text_at(to, to_length));
    if (!node || !to_parent) return ERROR.NOENT;
    parent.entries.delete(name);
    to_parent.entries.set(to_name, node);
    return 0;
  },
  fd_readdir(fd, at, length, cookie, out) {
    const f = open.get(fd);
    if (!f || !f.node.entries) return ERROR.NOTDIR;
    const names = [...f.node.entries];
    let used = 0;
    for (let i = Number(cookie); i < names.length && used < length; i++) {
      const name = new TextEncoder().encode(names[i][0]);
      const entry = new Uint8Array(24 + name.length), v = new DataView(entry.buffer);
      v.setBigUint64(0, BigInt(i + 1), true);
      v.setBigUint64(8, BigInt(names[i][1].inode), true);
      v.setUint32(16, name.length, true);
      v.setUint8(20, kind(names[i][1]));
      entry.set(name, 24);
      bytes().set(entry.subarray(0, length - used), at + used);
      used += Math.min(entry.length, length - used);
    }
    view().setUint32(out, used, true);
    return 0;
  },
  fd_sync: () => 0,
  fd_datasync: () => 0,
  fd_advise: () => 0,
  environ_sizes_get(count, size) {
    view().setUint32(count, 0, true);
    view().setUint32(size, 0, true);
    return 0;
  },
  environ_get: () => 0,
  args_sizes_get: (count, size) => wasi.environ_sizes_get(count, size),
  args_get: () => 0,
  clock_time_get(id, precision, out) {
    view().setBigUint64(out, BigInt(Math.round((id === 0 ? Date.now() : performance.now()) * 1e6)), true);
    return 0;
  },
  random_get(at, length) {
    for (let i = 0; i < length; i += 65536) crypto.getRandomValues(bytes().subarray(at + i, at + Math.min(length, i + 65536)));
    return 0;
  },
  sched_yield: () => 0,
  poll_oneoff: () => ERROR.NOSYS,
  proc_exit(code) {
    throw new Error(`the library ended with code ${code}`);
  },
};

/* ---- calls ------------------------------------------------------------------------------------------------------- */

/* A place in the module's memory: its functions give those in the upper half of 4 GB as negative numbers. */
const place = (at) => at >>> 0;

/* What the module imports. */
const system = new Proxy(wasi, {
  get: (t, name) => (...values) => (t[name] ? t[name](...values.map((v) => (typeof v === 'number' ? place(v) : v))) : ERROR.NOSYS),
});

function c_string(from) {
  const b = bytes(), at = place(from);
  let end = at;
  while (b[end]) end++;
  return text_at(at, end - at);
}

function with_string(text, call) {
  const encoded = new TextEncoder().encode(text + '\0'), at = place(wasm.web_malloc(encoded.length));
  if (!at) throw new Error('out of memory');
  bytes().set(encoded, at);
  try {
    return call(at);
  } finally {
    wasm.web_free(at);
  }
}

/* Names of the file system in memory mean nothing to who reads a message. */
function problem() {
  return new Error(c_string(wasm.web_error()).replace(/\/(image|model|out)\d*\//g, '').replace(/\/(image|model)\d*/g, 'the folder'));
}

async function start(modules) {
  const imports = { wasi_snapshot_preview1: system,
    env: { web_progress: (done, of) => postMessage({ progress: [done, of] }) } };
  let level = '', failure = null;
  for (const name of ['relaxed', 'simd128']) {
    if (!modules[name]) continue;
    try {
      const instance = await WebAssembly.instantiate(modules[name], imports);
      wasm = instance.exports;
      wasm._initialize();
      if (wasm.web_open() === 0) level = c_string(wasm.web_level());
      if (level === 'simd128') return { level: name === 'relaxed' ? 'relaxed SIMD' : 'SIMD' };
    } catch (e) {
      failure = e;
    }
  }
  throw new Error('This browser cannot run the library: it needs WebAssembly with SIMD (Chrome or Edge 91, Firefox 89, Safari 16.4, or ' +
    `later).${failure ? ` It says: ${failure.message}` : ''}`);
}

/* ---- zip --------------------------------------------------------------------------------------------------------- */

async function inflate_raw(data) {
  return new Uint8Array(await new Response(new Blob([data]).stream().pipeThrough(new DecompressionStream('deflate-raw'))).arrayBuffer());
}

/* The entries that `wanted` takes, as [{path, data}]. Sizes come from the directory at the end; zip64 is read. */
async function unzip(blob, wanted) {
  const name = blob.name || 'the archive';
  const broken = (what) => new Error(`${name}: ${what}: is it a whole .zip file?`);
  const tail_at = Math.max(0, blob.size - 65558), tail = new DataView(await blob.slice(tail_at).arrayBuffer());
  let at = tail.byteLength - 22;
  while (at >= 0 && tail.getUint32(at, true) !== 0x06054b50) at--;
  if (at < 0) throw broken('has no directory of a zip archive');
  let count = tail.getUint16(at + 10, true), size = tail.getUint32(at + 12, true), begin = tail.getUint32(at + 16, true);
  if (at >= 20 && tail.getUint32(at - 20, true) === 0x07064b50) {
    const where = Number(tail.getBigUint64(at - 20 + 8, true)), record = new DataView(await blob.slice(where, where + 56).arrayBuffer());
    if (record.byteLength < 56 || record.getUint32(0, true) !== 0x06064b50) throw broken('has a broken zip64 record');
    [count, size, begin] = [32, 40, 48].map((o) => Number(record.getBigUint64(o, true)));
  }
  const list = new DataView(await blob.slice(begin, begin + size).arrayBuffer()), result = [];
  let p = 0;
  for (let i = 0; i < count; i++) {
    if (p + 46 > list.byteLength || list.getUint32(p, true) !== 0x02014b50) throw broken('has a broken directory');
    const method = list.getUint16(p + 10, true), lengths = [28, 30, 32].map((o) => list.getUint16(p + o, true));
    let packed = list.getUint32(p + 20, true), full = list.getUint32(p + 24, true), header = list.getUint32(p + 42, true);
    if (p + 46 + lengths[0] + lengths[1] > list.byteLength) throw broken('has a broken directory');
    const path = new TextDecoder().decode(new Uint8Array(list.buffer, p + 46, lengths[0]));
    for (let x = p + 46 + lengths[0], end = x + lengths[1]; x + 4 <= end; x += 4 + list.getUint16(x + 2, true)) {
      if (list.getUint16(x, true) !== 1) continue;
      let o = x + 4;
      const next = () => Number(list.getBigUint64((o += 8) - 8, true));
      if (full === 0xffffffff) full = next();
      if (packed === 0xffffffff) packed = next();
      if (header === 0xffffffff) header = next();
    }
    p += 46 + lengths[0] + lengths[1] + lengths[2];
    if (path.endsWith('/') || path.split('/').includes('..') || !wanted(path)) continue;
    const local = new DataView(await blob.slice(header, header + 30).arrayBuffer());
    if (local.byteLength < 30 || local.getUint32(0, true) !== 0x04034b50) throw broken(`${path} is not where the directory says`);
    const from = header + 30 + local.getUint16(26, true) + local.getUint16(28, true), part = blob.slice(from, from + packed);
    if (method !== 0 && method !== 8) throw broken(`${path} is packed in a way (${method}) that cannot be read here`);
    const data = method === 8 ? await inflate_raw(part).catch(() => { throw broken(`${path} cannot be unpacked`); })
      : new Uint8Array(await part.arrayBuffer());
    if (data.length !== full) throw broken(`${path} has ${data.length} bytes, not ${full}`);
    result.push({ path, data });
  }
  return result;
}

/* [{path, file}] with every .zip unpacked: [{path, blob or data}]. */
async function gather(files, wanted) {
  const all = [];
  for (const f of files) {
    const hidden = f.path.split('/').some((p) => p.startsWith('.') || p === '__MACOSX');
    if (/\.zip$/i.test(f.path)) all.push(...(await unzip(f.file, (p) => wanted(p) && !p.split('/').some((q) => q.startsWith('.') || q === '__MACOSX'))));
    else if (!hidden && wanted(f.path)) all.push({ path: f.path, blob: f.file });
  }
  return all;
}

const contents = async (f) => f.data || new Uint8Array(await f.blob.arrayBuffer());
const parent_of = (path) => (path.includes('/') ? path.slice(0, path.lastIndexOf('/') + 1) : '');

/* ---- requests ---------------------------------------------------------------------------------------------------- */

const HEADERS = /\.(nii|nii\.gz|img\.gz|hdr|nrrd|nhdr|mha|mhd|png|tif|tiff)$/i, BESIDE = /\.(raw|zraw|raw\.gz|img|gz|bin|json)$/i;
let loads = 0;

/* Several files of known formats are channels, in the order of their names, beside what belongs to them (voxels, the JSON of a TIFF or of
 * BIDS); anything else is a folder of DICOM slices. */
async function load_image(files) {
  const all = (await gather(files, () => true)).sort((a, b) => (a.path < b.path ? -1 : 1)), base = `/image${++loads}`;
  if (!all.length) throw new Error('There are no files in what was given.');
  const voxels_of = (f) => /\.img\.gz$/i.test(f.path) && all.some((g) => g.path === f.path.replace(/img\.gz$/i, 'hdr')); /* given with its header */
  const headers = all.filter((f) => HEADERS.test(f.path) && !voxels_of(f));
  const known = headers.length && all.every((f) => HEADERS.test(f.path) || BESIDE.test(f.path));
  try {
    for (const f of all) put_file(`${base}/${f.path}`, await contents(f));
    let common = parent_of(all[0].path);
    for (const f of all) while (!f.path.startsWith(common)) common = parent_of(common.slice(0, -1));
    const paths = known ? headers.map((f) => `${base}/${f.path}`) : all.length === 1 ? [`${base}/${all[0].path}`] : [`${base}/${common}`];
    if (with_string(paths.map((p) => p.replace(/\/$/, '')).join('\n'), (at) => wasm.web_image_read(at))) throw problem();
    const name = known || all.length === 1 ? all.find((f) => !known || HEADERS.test(f.path)).path.split('/').pop() : common.replace(/\/$/, '').split('/').pop() || 'DICOM';
    const about = JSON.parse(c_string(wasm.web_image_describe()));
    const count = about.channels * about.size.reduce((a, b) => a * b, 1), from = place(wasm.web_image_voxels());
    return { ...about, name, files: all.length, voxels: new Float32Array(wasm.memory.buffer.slice(from, from + 4 * count)) };
  } finally {
    remove(base);
  }
}

/* Where run.c looks: dataset.json above, fold_K/checkpoint_NAME below. Weights alone go where it looks. */
async function load_model(files) {
  const weights = /\.(safetensors|pth)$/i, wanted = (p) => /\.json$/i.test(p) || weights.test(p);
  let all = (await gather(files, wanted)).filter((f) => !/\/validation\//.test(f.path));
  const base = `/model${++loads}`, sets = all.filter((f) => /(^|\/)dataset\.json$/.test(f.path)).map((f) => parent_of(f.path));
  try {
    const alone = all.filter((f) => weights.test(f.path));
    if (!alone.length) throw new Error('There are no weights in what was given: a run has fold_0/checkpoint_final.safetensors (or .pth).');
    if (!sets.length) {
      if (alone.length > 1 || !/\.safetensors$/i.test(alone[0].path))
        throw new Error(`${alone[0].path}: weights without dataset.json and plans.json: give the whole folder, or these files together.`);
      put_file(`${base}/${alone[0].path}`, await contents(alone[0]));
      if (with_string(`${base}/${alone[0].path}`, (at) => wasm.web_model_read(at))) throw problem();
    } else {
      const depth = (p) => p.split('/').length, top = Math.min(...sets.map(depth)), tops = sets.filter((p) => depth(p) === top);
      if (tops.length > 1) throw new Error(`There are ${tops.length} models in what was given: ${tops.join(', ')} Give one of them.`);
      all = all.filter((f) => f.path.startsWith(tops[0])).map((f) => ({ ...f, path: f.path.slice(tops[0].length) }));
      const inside = all.filter((f) => weights.test(f.path)), folds = inside.some((f) => /^fold_[^/]+\/checkpoint_/.test(f.path));
      if (!folds && inside.length > 1)
        throw new Error(`There are ${inside.length} files of weights beside dataset.json and none in a fold_K folder: give one of them.`);
      for (const f of all) {
        let path = f.path;
        if (!folds && weights.test(path)) path = `fold_0/checkpoint_final${path.slice(path.lastIndexOf('.')).toLowerCase()}`;
        const final = /checkpoint_(best|latest)\.[a-z]+$/.test(path) && parent_of(path) + 'checkpoint_final' + path.slice(path.lastIndexOf('.'));
        if (!final || !all.some((g) => g.path === final)) put_file(`${base}/${path}`, await contents(f));
      }
      if (with_string(base, (at) => wasm.web_model_load(at))) throw problem();
    }
    return JSON.parse(c_string(wasm.web_model_describe()));
  } finally {
    remove(base);
  }
}

function segment() {
  const at = place(wasm.web_segment());
  if (!at) throw problem();
  const about = JSON.parse(c_string(wasm.web_image_describe())), count = about.size.reduce((a, b) => a * b, 1);
  const map = bytes().slice(at, at + count);
  wasm.web_free(at);
  return { map };
}

function classify(classes) {
  const at = place(wasm.web_classify());
  if (!at) throw problem();
  const probabilities = Array.from(new Float32Array(wasm.memory.buffer.slice(at, at + 4 * classes)));
  wasm.web_free(at);
  return { probabilities };
}

function save(map, name) {
  const at = place(wasm.web_malloc(map.length)), path = `/out/${name}`;
  if (!at) throw new Error('out of memory for the label map');
  bytes().set(map, at);
  make_folder('/out');
  const status = with_string(path, (p) => wasm.web_labels_write(p, at));
  wasm.web_free(at);
  if (status) throw problem();
  const node = find(path)[2], data = node.data.slice(0, node.size);
  remove(path);
  return { data };
}

const requests = { start: (m) => start(m.modules), image: (m) => load_image(m.files), model: (m) => load_model(m.files), segment,
  classify: (m) => classify(m.classes), save: (m) => save(m.map, m.name) };

/* One request at a time: those of files wait for the disk in between. */
let queue = Promise.resolve();
onmessage = ({ data }) => {
  queue = queue.then(async () => {
    try {
      const began = performance.now(), answer = await requests[data.request](data);
      postMessage({ id: data.id, seconds: (performance.now() - began) / 1000, ...answer });
    } catch (e) {
      const dead = e instanceof WebAssembly.RuntimeError || /^the library ended/.test(e.message);
      const why = dead ? `The library stopped: ${console_text.trim().split('\n').pop() || e.message}` : e.message;
      postMessage({ id: data.id, error: why, dead });
    }
  });
};
