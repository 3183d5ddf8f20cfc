/* web_driver.mjs PAGE[#HASH] STEP... - opens a page from file:// in headless Chromium and drives it over the DevTools pipe, as a user would.
 * Steps, in order: files:INPUT_ID=PATH[,PATH...]  wait:EXPRESSION  click:ID  print:EXPRESSION  bytes:EXPRESSION=FILE (a Uint8Array)
 * drop:INPUT_ID=PATH[,PATH...] (files and folders, onto that element)
 * size:WIDTHxHEIGHT[,dark][,mobile]  shot:FILE.png (the page)  view:FILE.png (what is seen of it)  set:EXPRESSION. A step that fails, or ten minutes of waiting, ends it with code 1.
 * CHROMIUM names the browser. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const profile = mkdtempSync(join(tmpdir(), 'nephron_chromium.'));
const browser = spawn(process.env.CHROMIUM || 'chromium', ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run',
  '--remote-debugging-pipe', `--user-data-dir=${profile}`, 'about:blank'], { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
const out = browser.stdio[3], waiting = new Map();
let next = 0, pending = '';
const errors = [];
browser.stdio[4].on('data', (data) => {
  pending += data;
  for (let end; (end = pending.indexOf('\0')) >= 0; pending = pending.slice(end + 1)) {
    const m = JSON.parse(pending.slice(0, end));
    if (m.method === 'Runtime.exceptionThrown') errors.push(m.params.exceptionDetails.exception?.description || m.params.exceptionDetails.text);
    const w = waiting.get(m.id);
    if (!w) continue;
    waiting.delete(m.id);
    m.error ? w.reject(new Error(m.error.message)) : w.resolve(m.result);
  }
});
browser.on('exit', (code) => waiting.forEach((w) => w.reject(new Error(`the browser ended with code ${code}`))));

let session;
const send = (method, params = {}) => new Promise((resolve, reject) => {
  waiting.set(++next, { resolve, reject });
  out.write(JSON.stringify({ id: next, method, params, ...(session && { sessionId: session }) }) + '\0');
});
async function evaluate(expression) {
  const r = await send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true });
  if (r.exceptionDetails) throw new Error(`${expression}: ${r.exceptionDetails.exception?.description || r.exceptionDetails.text}`);
  return r.result.value;
}
const split = (text, by) => [text.slice(0, text.lastIndexOf(by)), text.slice(text.lastIndexOf(by) + 1)];

const steps = {
  async files(text) {
    const [id, paths] = [text.slice(0, text.indexOf('=')), text.slice(text.indexOf('=') + 1)];
    const { root } = await send('DOM.getDocument'), { nodeId } = await send('DOM.querySelector', { nodeId: root.nodeId, selector: `#${id}` });
    if (!nodeId) throw new Error(`no element ${id}`);
    await send('DOM.setFileInputFiles', { nodeId, files: paths.split(',').map((p) => resolve(p)) });
  },
  async drop(text) {
    const [id, paths] = [text.slice(0, text.indexOf('=')), text.slice(text.indexOf('=') + 1)];
    const at = await evaluate(`((b) => ({ x: b.x + b.width / 2, y: b.y + b.height / 2 }))(document.getElementById(${JSON.stringify(id)}).getBoundingClientRect())`);
    const data = { items: [], files: paths.split(',').map((p) => resolve(p)), dragOperationsMask: 1 };
    for (const type of ['dragEnter', 'dragOver', 'drop']) await send('Input.dispatchDragEvent', { type, ...at, data });
  },
  async wait(expression) {
    for (let end = Date.now() + 600000; !(await evaluate(expression)); await new Promise((r) => setTimeout(r, 30)))
      if (Date.now() > end) throw new Error(`waited for ${expression}`);
  },
  click: (id) => evaluate(`document.getElementById(${JSON.stringify(id)}).click()`),
  print: async (expression) => console.log(await evaluate(expression)),
  set: evaluate,
  async bytes(text) {
    const [expression, file] = split(text, '=');
    writeFileSync(file, Buffer.from(await evaluate(`((b) => { let s = ''; for (let i = 0; i < b.length; i += 8192) s += String.fromCharCode(...b.subarray(i, i + 8192)); return btoa(s); })(${expression})`), 'base64'));
  },
  async size(text) {
    const [size, ...flags] = text.split(','), [width, height] = size.split('x').map(Number), mobile = flags.includes('mobile');
    await send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: mobile ? 2 : 1, mobile });
    await send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: flags.includes('dark') ? 'dark' : 'light' }] });
    await new Promise((r) => setTimeout(r, 300));
  },
  async shot(file) {
    const { cssContentSize: c } = await send('Page.getLayoutMetrics');
    const { data } = await send('Page.captureScreenshot', { format: 'png', captureBeyondViewport: true, clip: { x: 0, y: 0, width: c.width, height: c.height, scale: 1 } });
    writeFileSync(file, Buffer.from(data, 'base64'));
  },
  async view(file) {
    const { data } = await send('Page.captureScreenshot', { format: 'png' });
    writeFileSync(file, Buffer.from(data, 'base64'));
  },
};

let status = 0;
try {
  const { targetInfos } = await send('Target.getTargets'), page = targetInfos.find((t) => t.type === 'page');
  session = (await send('Target.attachToTarget', { targetId: page.targetId, flatten: true })).sessionId;
  for (const domain of ['Page', 'DOM', 'Runtime']) await send(`${domain}.enable`);
  await steps.size('1280x860');
  const [path, hash] = process.argv[2].split('#');
  await send('Page.navigate', { url: pathToFileURL(resolve(path)).href + (hash ? `#${hash}` : '') });
  await steps.wait("document.readyState === 'complete'");
  for (const step of process.argv.slice(3)) await steps[step.slice(0, step.indexOf(':'))](step.slice(step.indexOf(':') + 1));
} catch (e) {
  console.error(e.message);
  status = 1;
}
if (errors.length) {
  console.error(`errors in the page:\n${errors.join('\n')}`);
  status = 1;
}
browser.kill();
await new Promise((r) => browser.once('exit', r));
rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
process.exit(status);
