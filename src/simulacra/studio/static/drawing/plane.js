// Points in the plane: dots, densities as heat, arrows, strands, and a VAE's latents beside them.
import { BLUE, GREEN, GREY, ORANGE, VERMILLION, number, scrap } from "./shared.js";

const SPECTRUM = ["#0072b2", "#56b4e9", "#e69f00", "#d55e00"];

/** A square window on the plane in the middle of a box: functions from data to pixels. */
function windowOn(box, [[x0, x1], [y0, y1]]) {
  const scale = Math.min(box.width / (x1 - x0), box.height / (y1 - y0));
  const left = box.x + (box.width - scale * (x1 - x0)) / 2, top = box.y + (box.height - scale * (y1 - y0)) / 2;
  return { x: (x) => left + scale * (x - x0), y: (y) => top + scale * (y1 - y), scale, left, top,
           width: scale * (x1 - x0), height: scale * (y1 - y0) };
}

export function plane(pen, box, about, ground, frame, on, layers, level) {
  const at = windowOn(box, about.limits);
  pen.save();
  pen.beginPath();
  pen.rect(at.left, at.top, at.width, at.height);
  pen.clip();
  if (on("discriminator")) heat(pen, at, frame.discriminator, opinion);
  else if (on("best")) heat(pen, at, frame.best, opinion);
  if (layers.includes("density") && ground.density) {
    const most = ground.density.data.reduce((a, b) => Math.max(a, b), 0);
    heat(pen, at, ground.density, (value) => [138, 138, 138, 200 * Math.min(1, value / most)]);
  }
  if (on("discriminator") && on("best")) contours(pen, at, frame.best);
  if (layers.includes("real") && ground.real) dots(pen, at, ground.real, GREY, 0.55, 2);
  if (on("raw")) dots(pen, at, frame.raw, ORANGE, 0.75, 2);
  if (on("ema")) dots(pen, at, frame.ema, BLUE, 0.75, 2);
  if (on("manifold")) strands(pen, at, frame.manifold);
  if (on("arrows")) arrows(pen, at, frame.arrows);
  if (on("field")) field(pen, at, frame.field, level, about.limits);
  if (on("walks")) walks(pen, at, frame.walks);
  pen.restore();
  frameOf(pen, at, about.limits);
}

function frameOf(pen, at, [[x0, x1], [y0, y1]]) {
  pen.strokeStyle = pen.fillStyle = pen.ink;
  pen.globalAlpha = 0.5;
  pen.lineWidth = 1;
  pen.strokeRect(at.left + 0.5, at.top + 0.5, at.width - 1, at.height - 1);
  pen.globalAlpha = 0.8;
  pen.textAlign = "left";
  pen.fillText(`x ${number(x0)} to ${number(x1)} · y ${number(y0)} to ${number(y1)}`, at.left + 6, at.top + at.height - 6);
  pen.globalAlpha = 1;
}

function dots(pen, at, { shape, data }, colour, alpha, size) {
  pen.fillStyle = colour;
  pen.globalAlpha = alpha;
  for (let i = 0, d = shape[1]; i < shape[0]; i++) pen.fillRect(at.x(data[d * i]) - size / 2, at.y(data[d * i + 1]) - size / 2, size, size);
  pen.globalAlpha = 1;
}

/** What D says: nothing to see at 1/2, blue towards 1 (real), vermillion towards 0 (made). */
function opinion(value) {
  if (!Number.isFinite(value)) return [0, 0, 0, 0];
  const strength = 165 * Math.sqrt(Math.min(1, Math.abs(2 * value - 1)));
  return value >= 0.5 ? [0, 114, 178, strength] : [213, 94, 0, strength];
}

function heat(pen, at, { shape: [rows, columns], data }, colour) {
  const image = new ImageData(columns, rows);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++)
      image.data.set(colour(data[row * columns + column]), 4 * ((rows - 1 - row) * columns + column));
  scrap.width = columns;
  scrap.height = rows;
  scrap.getContext("2d").putImageData(image, 0, 0);
  const half = { x: at.width / (columns - 1) / 2, y: at.height / (rows - 1) / 2 };  // values stand at the cells' middles
  pen.imageSmoothingEnabled = true;
  pen.drawImage(scrap, at.left - half.x, at.top - half.y, at.width + 2 * half.x, at.height + 2 * half.y);
}

/** Lines where a table is 1/4, 1/2 (thick) and 3/4, by marching squares. */
function contours(pen, at, { shape: [rows, columns], data }) {
  pen.strokeStyle = pen.ink;
  for (const level of [0.25, 0.5, 0.75]) {
    pen.lineWidth = level === 0.5 ? 1.8 : 0.8;
    pen.setLineDash(level === 0.5 ? [] : [4, 3]);
    pen.beginPath();
    for (let row = 0; row + 1 < rows; row++)
      for (let column = 0; column + 1 < columns; column++) {
        const corners = [[0, 0], [1, 0], [1, 1], [0, 1]].map(([i, j]) => [column + i, row + j, data[(row + j) * columns + column + i]]);
        if (corners.some(([, , value]) => !Number.isFinite(value))) continue;
        const cuts = [];
        for (let k = 0; k < 4; k++) {
          const [x0, y0, a] = corners[k], [x1, y1, b] = corners[(k + 1) % 4];
          if ((a < level) !== (b < level)) {
            const t = (level - a) / (b - a);
            cuts.push([at.left + (at.width * (x0 + t * (x1 - x0))) / (columns - 1), at.top + at.height * (1 - (y0 + t * (y1 - y0)) / (rows - 1))]);
          }
        }
        for (let k = 0; k + 1 < cuts.length; k += 2) {
          pen.moveTo(...cuts[k]);
          pen.lineTo(...cuts[k + 1]);
        }
      }
    pen.stroke();
  }
  pen.setLineDash([]);
}

function strands(pen, at, { shape: [lines, points], data }) {
  pen.lineWidth = 1;
  pen.globalAlpha = 0.85;
  for (let line = 0; line < lines; line++) {
    pen.strokeStyle = line < lines / 2 ? BLUE : VERMILLION;
    pen.beginPath();
    for (let k = 0; k < points; k++) pen.lineTo(at.x(data[2 * (line * points + k)]), at.y(data[2 * (line * points + k) + 1]));
    pen.stroke();
  }
  pen.globalAlpha = 1;
}

function arrow(pen, x, y, dx, dy) {
  const length = Math.hypot(dx, dy);
  if (!(length > 0.5)) return;
  const tip = Math.min(4, length / 2), ux = dx / length, uy = dy / length;
  pen.moveTo(x, y);
  pen.lineTo(x + dx, y + dy);
  pen.moveTo(x + dx - tip * (ux - uy * 0.6), y + dy - tip * (uy + ux * 0.6));
  pen.lineTo(x + dx, y + dy);
  pen.lineTo(x + dx - tip * (ux + uy * 0.6), y + dy - tip * (uy - ux * 0.6));
}

/** Arrows of gradients: as long as they are strong, the 90 % quantile being 26 pixels. */
function arrows(pen, at, { shape: [n], data }) {
  const lengths = Array.from({ length: n }, (_, i) => Math.hypot(data[4 * i + 2], data[4 * i + 3])).sort((a, b) => a - b);
  const scale = 26 / (lengths[Math.floor(0.9 * n)] || 1);
  pen.strokeStyle = GREEN;
  pen.lineWidth = 1.2;
  pen.beginPath();
  for (let i = 0; i < n; i++) {
    const [x, y, dx, dy] = data.subarray(4 * i, 4 * i + 4), cut = Math.min(1, 40 / (scale * Math.hypot(dx, dy) || 1));
    arrow(pen, at.x(x), at.y(y), scale * cut * dx, -scale * cut * dy);
  }
  pen.stroke();
}

function field(pen, at, { shape: [levels, rows, columns], data }, level, [[x0, x1], [y0, y1]]) {
  const start = Math.min(level, levels - 1) * rows * columns * 2, step = at.width / (columns - 1);
  pen.strokeStyle = GREEN;
  pen.lineWidth = 1.1;
  pen.beginPath();
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) {
      const k = start + 2 * (row * columns + column), dx = data[k], dy = data[k + 1], length = Math.hypot(dx, dy) || 1;
      const size = (0.8 * step * Math.min(1, length / 2)) / length;
      arrow(pen, at.x(x0 + (column * (x1 - x0)) / (columns - 1)), at.y(y0 + (row * (y1 - y0)) / (rows - 1)), size * dx, -size * dy);
    }
  pen.stroke();
}

function walks(pen, at, { shape: [levels, n], data }) {
  pen.lineWidth = 1;
  pen.globalAlpha = 0.7;
  for (let i = 0; i < n; i++)
    for (let k = 0; k + 1 < levels; k++) {
      pen.strokeStyle = SPECTRUM[Math.min(3, Math.floor((4 * (levels - 1 - k)) / levels))];
      pen.beginPath();
      pen.moveTo(at.x(data[2 * (k * n + i)]), at.y(data[2 * (k * n + i) + 1]));
      pen.lineTo(at.x(data[2 * ((k + 1) * n + i)]), at.y(data[2 * ((k + 1) * n + i) + 1]));
      pen.stroke();
    }
  pen.globalAlpha = 1;
}

/** The latent plane: an ellipse of one standard deviation for each example, coloured by its angle in the data. */
export function latent(pen, box, { shape: [n], data }, { limits }) {
  const at = windowOn(box, [[-3.5, 3.5], [-3.5, 3.5]]), middle = limits.map(([low, high]) => (low + high) / 2);
  pen.save();
  pen.beginPath();
  pen.rect(at.left, at.top, at.width, at.height);
  pen.clip();
  pen.globalAlpha = 0.6;
  for (let i = 0; i < n; i++) {
    const [x, y, mx, my, sx, sy] = data.subarray(6 * i, 6 * i + 6);
    const turn = Math.atan2(y - (middle[1] || 0), x - middle[0]) / (2 * Math.PI) + 0.5;
    pen.strokeStyle = `hsl(${Math.round(360 * turn)} 65% 48%)`;
    pen.beginPath();
    pen.ellipse(at.x(mx), at.y(my), Math.max(0.5, at.scale * sx), Math.max(0.5, at.scale * sy), 0, 0, 2 * Math.PI);
    pen.stroke();
  }
  pen.restore();
  frameOf(pen, at, [[-3.5, 3.5], [-3.5, 3.5]]);
}
