/* page.js - the page: files in, requests to the worker, what it answers on the screen. What was loaded stays until something that can be
 * read takes its place; a worker that was cancelled or died is started again with it. */
'use strict';

const $ = (id) => document.getElementById(id);
const app = { image: null, model: null, map: null, probabilities: null, busy: '', seconds: 0, level: '' };
const viewer = new Viewer([...document.querySelectorAll('figure')], $('here'));
viewer.opacity = 0.5;

/* ---- the worker -------------------------------------------------------------------------------------------------- */

let worker, waiting = new Map(), requests = 0, modules = null;
const worker_url = URL.createObjectURL(new Blob([$('worker-source').textContent], { type: 'text/javascript' }));

function ask(request, values = {}) {
  return new Promise((resolve, reject) => {
    waiting.set(++requests, { resolve, reject });
    worker.postMessage({ id: requests, request, ...values });
  });
}

async function compile() {
  const compiled = {};
  for (const [name, text] of Object.entries(MODULES)) {
    if (location.hash === '#simd128' && name !== 'simd128') continue; /* to compare the modules */
    const data = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    try {
      compiled[name] = await WebAssembly.compile(data);
    } catch (e) { /* a browser without relaxed SIMD: the other one */ }
  }
  return compiled;
}

async function start_worker() {
  for (const w of waiting.values()) w.reject(new Error('cancelled'));
  waiting = new Map();
  if (worker) worker.terminate();
  worker = new Worker(worker_url);
  worker.onmessage = ({ data }) => {
    if (data.progress) return show_progress(...data.progress);
    const w = waiting.get(data.id);
    waiting.delete(data.id);
    if (data.dead) app.dead = true;
    if (w) 'error' in data ? w.reject(new Error(data.error)) : w.resolve(data);
  };
  worker.onerror = (e) => problem('run', `The worker stopped: ${e.message}`);
  modules = modules || compile();
  app.level = (await ask('start', { modules: await modules })).level;
  $('engine').textContent = `Computes with ${app.level}, on one core.`;
}

/* After a cancelled prediction or a fault: a new worker with what was loaded. */
async function restart() {
  await start_worker();
  app.dead = false;
  for (const what of ['image', 'model'])
    if (app[what]) await ask(what, { files: app[what].source }).catch((e) => lose(what, e));
}

/* A file that is not there any more: the page does not go on as if it were. */
function lose(what, e) {
  if (e.message === 'cancelled') throw e;
  app[what] = null;
  $(`${what}-card`).classList.remove('done');
  $(`${what}-about`).textContent = '';
  problem(what, `${e.message.replace(/\.$/, '')}. Give the ${what} again.`);
}

/* ---- words ------------------------------------------------------------------------------------------------------- */

function problem(where, text) {
  $(`${where}-problem`).textContent = text;
  $(`${where}-problem`).hidden = !text;
}

const one_or = (n, one, many) => `${n} ${n === 1 ? one : many}`;
const duration = (s) => (s < 60 ? `${Math.max(1, Math.round(s))} s` : s < 3600 ? `${Math.floor(s / 60)} min ${Math.round(s % 60)} s`
  : `${Math.floor(s / 3600)} h ${Math.round(s % 3600 / 60)} min`);
const short = (x) => Number(x.toFixed(2));

function misfit() {
  if (!app.image || !app.model) return app.image ? 'A model is needed.' : app.model ? 'An image is needed.' : 'An image and a model are needed.';
  const wanted = app.model.channels.length, given = app.image.channels;
  if (app.model.channels.length && wanted !== given) return `The model takes ${one_or(wanted, 'channel', 'channels')} (${app.model.channels.join(', ')}), the image has ${given}.`;
  return '';
}

function refresh() {
  const why = misfit();
  $('run').disabled = Boolean(why) || Boolean(app.busy);
  $('run-about').textContent = app.busy ? '' : why;
  $('run-about').hidden = !$('run-about').textContent;
  $('run').textContent = app.busy === 'run' ? 'Predicting' : 'Predict';
  $('cancel').hidden = app.busy !== 'run';
  for (const id of ['image-files', 'image-folder', 'model-files', 'model-folder']) $(id).disabled = Boolean(app.busy);
}

function clear_result() {
  app.map = app.probabilities = null;
  $('labels').hidden = $('classes').hidden = $('progress').hidden = true;
  $('run-card').classList.remove('done');
  problem('run', '');
  if (viewer.image) viewer.labels(null, new Map());
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

/* What is given while something is read waits its turn. */
let turn = Promise.resolve();
function load(what, files) {
  if (!files.length) problem(what, 'There are no files in what was given.');
  else if (app.busy === 'run') problem(what, 'A prediction is running: wait for its end, or cancel it.');
  else turn = turn.then(() => load_now(what, files)).catch((e) => problem(what, e.message));
  return turn;
}

async function load_now(what, files) {
  app.busy = what;
  problem(what, '');
  const before = $(`${what}-about`).textContent;
  $(`${what}-about`).textContent = 'Reading';
  refresh();
  try {
    const answer = await ask(what, { files });
    app[what] = { ...answer, source: files };
    clear_result();
    what === 'image' ? show_image() : show_model();
    $(`${what}-card`).classList.add('done');
  } catch (e) {
    $(`${what}-about`).textContent = before;
    problem(what, app[what] ? `${e.message.replace(/\.$/, '')}. The ${what} above is kept.` : e.message);
    if (app.dead) await restart().catch((e) => problem('run', e.message));
  }
  app.busy = '';
  refresh();
}

function show_image() {
  const i = app.image, [d, h, w] = i.size, s = [...i.spacing].reverse().map(short);
  $('image-about').textContent = `${i.name}: ${w} × ${h} × ${d} voxels of ${s.join(' × ')} mm${i.channels > 1 ? `, ${i.channels} channels` : ''}`;
  $('empty').hidden = true;
  $('views').hidden = false;
  $('channel-box').hidden = i.channels < 2;
  $('channel').replaceChildren(...Array.from({ length: i.channels }, (_, k) => new Option(String(k + 1), k)));
  viewer.show(i);
  set_sliders();
}

function show_model() {
  const m = app.model, names = m.labels.filter((l) => m.task === 'classify' || l.value).map((l) => l.name);
  const list = names.length > 6 ? `${names.slice(0, 5).join(', ')} and ${names.length - 5} more` : names.join(', ');
  $('model-about').textContent = `${m.name}: ${m.task === 'classify' ? 'classifies as' : 'segments'} ${list} (${one_or(m.networks, 'network', 'networks')} of ${m.parameters < 1e5 ? m.parameters : `${short(m.parameters / 1e6)} million`} weights)`;
}

const listed = (input) => [...input.files].map((f) => ({ path: f.webkitRelativePath || f.name, file: f }));
for (const what of ['image', 'model'])
  for (const kind of ['files', 'folder'])
    $(`${what}-${kind}`).onchange = async (e) => {
      const files = listed(e.target);
      await load(what, files);
      e.target.value = ''; /* so that the same file can be chosen again */
    };

/* Files of what was dropped, folders opened. On a page from file:// Chrome gives entries whose files it then cannot open; it has
 * handles beside them, which Firefox and Safari have not. Everything has to be asked for before the first await. */
async function dropped(transfer) {
  const files = [], items = [...transfer.items].filter((i) => i.kind === 'file');
  const asked = items.map((i) => (i.getAsFileSystemHandle ? i.getAsFileSystemHandle() : i.webkitGetAsEntry()));
  const visit_handle = async (handle, path) => {
    if (handle.kind === 'file') files.push({ path: path + handle.name, file: await handle.getFile() });
    else for await (const inner of handle.values()) await visit_handle(inner, `${path}${handle.name}/`);
  };
  const visit_entry = async (entry, path) => {
    if (entry.isFile) files.push({ path: path + entry.name, file: await new Promise((ok, no) => entry.file(ok, no)) });
    else {
      const reader = entry.createReader();
      for (let batch; (batch = await new Promise((ok, no) => reader.readEntries(ok, no))).length;)
        for (const e of batch) await visit_entry(e, `${path}${entry.name}/`);
    }
  };
  for (const one of asked) {
    const found = await one;
    if (found) await (found.getFile || found.values ? visit_handle : visit_entry)(found, '');
  }
  return files;
}

const looks_like_model = (files) => files.some((f) => /(\.safetensors|\.pth|\.zip|(^|\/)(dataset|plans|manifest)\.json)$/i.test(f.path));
let depth = 0;
addEventListener('dragenter', () => ($('over').hidden = !++depth));
addEventListener('dragleave', () => ($('over').hidden = !--depth));
addEventListener('dragover', (e) => e.preventDefault());
addEventListener('drop', async (e) => {
  e.preventDefault();
  depth = 0;
  $('over').hidden = true;
  const card = e.target.closest && e.target.closest('.drop');
  try {
    const files = await dropped(e.dataTransfer);
    await load(card ? card.id.replace('-card', '') : looks_like_model(files) ? 'model' : 'image', files);
  } catch (error) {
    problem('image', `What was dropped cannot be read: ${error.message}`);
  }
});

/* ---- prediction -------------------------------------------------------------------------------------------------- */

let began = 0;
function show_progress(done, of) {
  const fraction = of ? done / of : 0, seconds = (performance.now() - began) / 1000;
  $('bar').value = fraction;
  $('left').textContent = done ? `${Math.floor(100 * fraction)} %, ${duration(seconds / done * (of - done))} left` : 'Preparing';
}

async function predict() {
  if ($('run').disabled) return;
  app.busy = 'run';
  clear_result();
  $('progress').hidden = false;
  $('bar').removeAttribute('value');
  $('left').textContent = 'Preparing';
  began = performance.now();
  refresh();
  try {
    const answer = app.model.task === 'classify' ? await ask('classify', { classes: app.model.labels.length }) : await ask('segment');
    app.seconds = answer.seconds;
    app.model.task === 'classify' ? show_classes(answer.probabilities) : show_labels(answer.map);
    $('run-card').classList.add('done');
    $('left').textContent = `Done in ${answer.seconds < 10 ? answer.seconds.toFixed(1) : Math.round(answer.seconds)} s`;
    $('bar').value = 1;
  } catch (e) {
    $('progress').hidden = true;
    if (e.message === 'cancelled') return; /* cancel() goes on */
    problem('run', e.message);
    if (app.dead) await restart().catch((e) => problem('run', e.message));
  }
  app.busy = '';
  refresh();
}

function cancel() {
  if (app.busy !== 'run') return; /* it has just ended */
  app.busy = 'restart';
  refresh();
  /* restart rejects what waits: predict() then ends */
  turn = restart().catch((e) => problem('run', e.message)).then(() => {
    app.busy = '';
    refresh();
  });
}

function show_classes(probabilities) {
  app.probabilities = probabilities;
  const rows = app.model.labels.map((l, k) => ({ name: l.name, p: probabilities[k] })).sort((a, b) => b.p - a.p);
  $('classes').replaceChildren(...rows.flatMap(({ name, p }) => {
    const parts = ['div', 'div', 'div'].map((t) => document.createElement(t)), bar = document.createElement('div');
    parts[0].textContent = name;
    parts[1].className = 'track';
    bar.style.width = `${100 * p}%`;
    parts[1].append(bar);
    parts[2].className = 'number';
    parts[2].textContent = `${(100 * p).toFixed(1)} %`;
    return parts;
  }));
  $('classes').hidden = false;
}

function show_labels(map) {
  app.map = map;
  const counts = new Float64Array(256), volume = app.image.spacing.reduce((a, b) => a * b, 1) / 1000, by_value = new Map();
  for (let i = 0; i < map.length; i++) counts[map[i]]++;
  app.model.labels.forEach((l, index) => by_value.set(l.value, { name: l.name, index: l.value ? index : 0, visible: true, ml: counts[l.value] * volume }));
  $('legend').replaceChildren(...[...by_value.values()].filter((l) => l.index).map((l) => {
    const row = document.createElement('tr'), cells = [row.insertCell(), row.insertCell()], label = document.createElement('label');
    const box = document.createElement('input'), swatch = document.createElement('span');
    box.type = 'checkbox';
    box.checked = true;
    box.onchange = () => {
      l.visible = box.checked;
      viewer.draw();
    };
    swatch.className = 'swatch';
    swatch.style.background = `rgb(${colour_of(l.index).join(',')})`;
    label.append(box, swatch, l.name);
    cells[0].append(label);
    cells[1].className = 'number';
    cells[1].textContent = `${l.ml < 10 ? l.ml.toFixed(2) : l.ml.toFixed(1)} ml`;
    return row;
  }));
  $('labels').hidden = false;
  viewer.labels(map, by_value);
  to_middle(map);
}

/* The crosshair goes to the middle of what was found. */
function to_middle(map) {
  const [d, h, w] = app.image.size, sum = [0, 0, 0];
  let n = 0;
  for (let i = 0; i < map.length; i++)
    if (map[i]) {
      sum[0] += i % w;
      sum[1] += Math.floor(i / w) % h;
      sum[2] += Math.floor(i / w / h);
      n++;
    }
  if (!n) return;
  const [axis, forward] = viewer.orient(app.image.affine), count = [w, h, d];
  axis.forEach((x, k) => viewer.move(k, forward[k] ? count[x] - 1 - Math.round(sum[x] / n) : Math.round(sum[x] / n), k === 2));
}

async function save() {
  const name = `${app.image.name.replace(/\.(nii|img|raw)?\.?(gz|nii|nrrd|nhdr|mha|mhd|hdr|png|tiff?|dcm)$/i, '').replace(/_0000$/, '')}_labels.nii.gz`;
  try {
    app.saved = (await ask('save', { map: app.map, name })).data;
    const link = document.createElement('a'), url = URL.createObjectURL(new Blob([app.saved], { type: 'application/gzip' }));
    link.href = url;
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 60000);
  } catch (e) {
    problem('run', e.message);
  }
}

/* ---- the viewer's tools ------------------------------------------------------------------------------------------- */

const span = () => viewer.high - viewer.low;
function set_sliders() {
  $('level').value = 1000 * ((viewer.from + viewer.to) / 2 - viewer.low) / span();
  $('window').value = 1000 * (viewer.to - viewer.from) / span();
}
function read_sliders() {
  const level = viewer.low + span() * $('level').value / 1000, half = span() * $('window').value / 2000;
  viewer.from = level - half;
  viewer.to = level + half;
  viewer.draw();
}
$('level').oninput = $('window').oninput = read_sliders;
$('auto').onclick = () => {
  viewer.range();
  set_sliders();
  viewer.draw();
};
$('channel').onchange = () => {
  viewer.channel = Number($('channel').value);
  $('auto').onclick();
};
$('opacity').oninput = () => {
  viewer.opacity = $('opacity').value / 100;
  viewer.draw();
};
$('run').onclick = predict;
$('cancel').onclick = cancel;
$('save').onclick = save;

app.ready = start_worker().catch((e) => problem('run', e.message));
refresh();
