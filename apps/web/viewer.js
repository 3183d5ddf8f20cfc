/* viewer.js - three planes through an image in the patient's axes, with a label map over them. Radiological convention: who looks sees the
 * patient from the feet or from the front, right at the left. */
'use strict';

const COLOURS = [[228, 87, 70], [76, 160, 224], [104, 182, 92], [240, 178, 62], [158, 118, 206], [70, 190, 182], [224, 122, 176], [166, 128, 84],
  [150, 200, 60], [96, 112, 214], [244, 140, 92], [130, 150, 160]];
const colour_of = (index) => COLOURS[(index - 1 + COLOURS.length) % COLOURS.length];
/* Of a plane: the axes of the patient (0 right, 1 anterior, 2 superior) across, down and through, and the letters at left, right, top, bottom.
 * On the screen all three run towards left, posterior and inferior. */
const PLANES = [{ across: 0, down: 1, through: 2, marks: 'RLAP' }, { across: 0, down: 2, through: 1, marks: 'RLSI' },
  { across: 1, down: 2, through: 0, marks: 'APSI' }];

class Viewer {
  constructor(figures, here) {
    this.here = here;
    this.views = figures.map((f, i) => ({ ...PLANES[i], canvas: f.querySelector('canvas'), slider: f.querySelector('input'), out: f.querySelector('output'),
      buffer: document.createElement('canvas') }));
    for (const v of this.views) this.listen(v);
    new ResizeObserver(() => this.draw()).observe(figures[0]);
  }

  listen(v) {
    v.slider.oninput = () => this.move(v.through, Number(v.slider.value));
    v.canvas.addEventListener('wheel', (e) => {
      e.preventDefault();
      this.move(v.through, this.at[v.through] + Math.sign(e.deltaY));
    }, { passive: false });
    v.canvas.onkeydown = (e) => {
      const step = { ArrowUp: [v.down, -1], ArrowDown: [v.down, 1], ArrowLeft: [v.across, -1], ArrowRight: [v.across, 1], PageUp: [v.through, -1], PageDown: [v.through, 1] }[e.key];
      if (!step) return;
      e.preventDefault();
      this.move(step[0], this.at[step[0]] + step[1]);
    };
    const point = (e) => {
      const r = v.canvas.getBoundingClientRect(), k = v.canvas.width / r.width, p = v.place;
      this.move(v.across, Math.floor(((e.clientX - r.left) * k - p.x) / p.w * this.count[v.across]), false);
      this.move(v.down, Math.floor(((e.clientY - r.top) * k - p.y) / p.h * this.count[v.down]));
    };
    v.canvas.onpointerdown = (e) => {
      v.canvas.setPointerCapture(e.pointerId);
      point(e);
    };
    v.canvas.onpointermove = (e) => e.buttons && point(e);
  }

  /* The array's axis that is nearest to each axis of the patient, each taken once, the clearest first. */
  orient(affine) {
    const pairs = [], axis = [], forward = [];
    for (let world = 0; world < 3; world++)
      for (let x = 0; x < 3; x++) {
        const length = Math.hypot(affine[0][x], affine[1][x], affine[2][x]) || 1;
        pairs.push({ world, x, part: affine[world][x] / length });
      }
    pairs.sort((a, b) => Math.abs(b.part) - Math.abs(a.part));
    for (const p of pairs)
      if (axis[p.world] === undefined && !axis.includes(p.x)) {
        axis[p.world] = p.x;
        forward[p.world] = p.part >= 0;
      }
    return [axis, forward];
  }

  show(image) {
    const [axis, forward] = this.orient(image.affine), [d, h, w] = image.size;
    const count = [w, h, d], strides = [image.channels, w * image.channels, w * h * image.channels], spacing = [...image.spacing].reverse();
    this.image = image;
    this.map = null;
    this.count = axis.map((x) => count[x]);
    this.spacing = axis.map((x) => spacing[x]);
    this.strides = axis.map((x, k) => (forward[k] ? -strides[x] : strides[x])); /* the screen runs to left, posterior, inferior */
    this.first = axis.reduce((sum, x, k) => sum + (forward[k] ? (count[x] - 1) * strides[x] : 0), 0);
    this.at = this.count.map((n) => n >> 1);
    this.channel = 0;
    this.range();
    this.views.forEach((v) => (v.slider.max = this.count[v.through] - 1));
    this.draw();
  }

  /* Smallest and largest value, and what 1 and 99.5 percent of the voxels are below: the first window. */
  range() {
    const { voxels, channels } = this.image, step = channels * Math.max(1, Math.floor(voxels.length / channels / 100000)), values = [];
    let low = Infinity, high = -Infinity;
    for (let i = this.channel; i < voxels.length; i += channels) {
      if (voxels[i] < low) low = voxels[i];
      if (voxels[i] > high) high = voxels[i];
    }
    for (let i = this.channel; i < voxels.length; i += step) values.push(voxels[i]);
    values.sort((a, b) => a - b);
    this.low = low;
    this.high = high > low ? high : low + 1;
    this.from = values[Math.floor(values.length * 0.01)];
    this.to = values[Math.min(values.length - 1, Math.floor(values.length * 0.995))];
    if (!(this.to > this.from)) [this.from, this.to] = [this.low, this.high];
  }

  labels(map, label) { /* label: value -> {index, visible} */
    this.map = map;
    this.label = label;
    this.draw();
  }

  move(axis, to, draw = true) {
    if (!this.image) return;
    this.at[axis] = Math.max(0, Math.min(this.count[axis] - 1, to));
    if (draw) this.draw();
  }

  draw() {
    if (!this.image || this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.views.forEach((v) => this.draw_plane(v));
      const at = this.at.reduce((sum, i, k) => sum + i * this.strides[k], this.first), value = this.image.voxels[at + this.channel];
      const label = this.map && this.label.get(this.map[at / this.image.channels]);
      this.here.textContent = `Value ${Number(value.toPrecision(5))}${label && label.index ? `, ${label.name}` : ''}`;
    });
  }

  fill(v, pixels) {
    const { voxels, channels } = this.image, w = this.count[v.across], h = this.count[v.down];
    const scale = 255 / (this.to - this.from), alpha = this.map ? this.opacity : 0, start = this.first + this.at[v.through] * this.strides[v.through];
    for (let y = 0, o = 0; y < h; y++)
      for (let x = 0, i = start + y * this.strides[v.down]; x < w; x++, i += this.strides[v.across], o += 4) {
        const g = Math.max(0, Math.min(255, (voxels[i + this.channel] - this.from) * scale));
        const label = alpha && this.label.get(this.map[i / channels]);
        if (label && label.index && label.visible) {
          const c = colour_of(label.index);
          for (let k = 0; k < 3; k++) pixels[o + k] = g + (c[k] - g) * alpha;
        } else pixels[o] = pixels[o + 1] = pixels[o + 2] = g;
        pixels[o + 3] = 255;
      }
  }

  draw_plane(v) {
    const { canvas, buffer } = v, context = canvas.getContext('2d'), w = this.count[v.across], h = this.count[v.down];
    const ratio = Math.min(3, devicePixelRatio || 1), side = Math.max(1, Math.round(canvas.clientWidth * ratio));
    if (canvas.width !== side) canvas.width = canvas.height = side;
    buffer.width = w;
    buffer.height = h;
    const picture = new ImageData(w, h);
    this.fill(v, picture.data);
    buffer.getContext('2d').putImageData(picture, 0, 0);
    const wide = w * this.spacing[v.across], high = h * this.spacing[v.down], scale = (side - 44 * ratio) / Math.max(wide, high);
    const p = (v.place = { w: wide * scale, h: high * scale, x: (side - wide * scale) / 2, y: (side - high * scale) / 2 });
    context.fillStyle = '#000';
    context.fillRect(0, 0, side, side);
    context.imageSmoothingEnabled = false;
    context.drawImage(buffer, p.x, p.y, p.w, p.h);
    const cx = p.x + (this.at[v.across] + 0.5) / w * p.w, cy = p.y + (this.at[v.down] + 0.5) / h * p.h;
    context.strokeStyle = 'rgba(255,255,255,0.35)';
    context.lineWidth = ratio;
    context.beginPath();
    context.moveTo(p.x, cy);
    context.lineTo(p.x + p.w, cy);
    context.moveTo(cx, p.y);
    context.lineTo(cx, p.y + p.h);
    context.stroke();
    context.fillStyle = '#cfd6db';
    context.font = `600 ${13 * ratio}px system-ui, sans-serif`;
    context.textAlign = 'center';
    context.textBaseline = 'middle';
    const edge = 11 * ratio, middle = side / 2;
    [[edge, middle], [side - edge, middle], [middle, edge], [middle, side - edge]].forEach(([x, y], i) => context.fillText(v.marks[i], x, y));
    v.slider.value = this.at[v.through];
    v.out.textContent = `${this.at[v.through] + 1} of ${this.count[v.through]}`;
  }
}
