/* web_page.mjs - page.js in node, with elements that only keep what is set and a worker that answers as it is
 * told: what the page does where files that it was given are gone when they are read again. Run by
 * check_web.sh. */
import { readFileSync } from 'node:fs';
import vm from 'node:vm';

const element = () => ({ textContent: '', hidden: true, disabled: false, max: 0, value: 0, files: [],
  removeAttribute() {}, replaceChildren() {}, append() {}, addEventListener() {},
  classList: { add() {}, remove() {} } });
const elements = {}, answers = {}, asked = [];
class Worker {
  postMessage(m) {
    asked.push(m.request);
    const answer = answers[m.request];
    if (answer) setTimeout(() => this.onmessage && this.onmessage({ data: { id: m.id, ...answer } }));
  }
  terminate() { this.onmessage = null; }
}
class Viewer { show() { this.image = 1; } labels() {} range() {} draw() {} }
const context = vm.createContext({
  document: { getElementById: (id) => (elements[id] ??= element()), querySelectorAll: () => [],
    createElement: element },
  Worker, Viewer, Blob, MODULES: {}, location: { hash: '' }, performance, Option: class {},
  addEventListener() {}, setTimeout,
  URL: { createObjectURL: () => '', revokeObjectURL() {} } });
const run = (code) => vm.runInContext(code, context);

let passed = 0, failed = 0;
function expect(what, got, wanted) {
  if (JSON.stringify(got) === JSON.stringify(wanted)) return passed++;
  failed++;
  console.log(`FAILED ${what}: ${JSON.stringify(got)}, wanted ${JSON.stringify(wanted)}`);
}

answers.start = { level: 'SIMD' };
const image = { size: [1, 1, 1], spacing: [1, 1, 1], channels: 1, name: 'a.nii', affine: [] };
const model = { name: 'm', task: 'segment', channels: ['T1'], labels: [], networks: 1, parameters: 1 };
run(readFileSync('apps/web/page.js', 'utf8'));
await run('app.ready');
async function give() {
  answers.image = image;
  answers.model = model;
  await run("load('image', [{ path: 'a.nii' }])");
  await run("load('model', [{ path: 'm.zip' }])");
}
const state = () => [run('Boolean(app.image)'), run('Boolean(app.model)'), run('app.busy'),
  elements.run.disabled, elements['run-about'].textContent];

/* Cancelled: both are read again. */
await give();
expect('an image and a model', state(), [true, true, '', false, '']);
run('predict()');
expect('a prediction', run('app.busy'), 'run');
run('cancel()');
await run('turn');
expect('cancelled', state(), [true, true, '', false, '']);
/* The image's file is gone meanwhile. */
answers.image = { error: 'a.nii: no such file.' };
run('predict()');
run('cancel()');
await run('turn');
expect('cancelled without the image', state(), [false, true, '', true, 'An image is needed.']);
expect('what is said of it', elements['image-problem'].textContent,
  'a.nii: no such file. Give the image again.');
await give();
expect('given again', [...state(), elements['image-problem'].textContent], [true, true, '', false, '', '']);
/* The worker dies of a file, and what was loaded is gone. */
asked.length = 0;
answers.image = { error: 'out of memory', dead: true };
answers.model = { error: 'm.zip: no such file.' };
await run("load('image', [{ path: 'b.nii' }])");
expect('after a worker that died', state(), [false, false, '', true, 'An image and a model are needed.']);
expect('what was asked', asked, ['image', 'start', 'image', 'model']);
console.log(`web_page: ${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
