// Frames as pictures. Grey is real or exact, blue what the model made with averaged weights, orange with those of now.
const BLUE = "#0072b2", VERMILLION = "#d55e00", GREEN = "#009e73", ORANGE = "#e69f00", GREY = "#8a8a8a";
const SPECTRUM = ["#0072b2", "#56b4e9", "#e69f00", "#d55e00"];

/** Bytes of the wire as {step, arrays: {name: {shape, data}}}. */
export function decode(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const arrays = {};
  for (const [name, { type, shape, offset }] of Object.entries(head.arrays)) {
    const size = shape.reduce((a, b) => a * b, 1), Kind = type === "u1" ? Uint8Array : Float32Array;
    arrays[name] = { shape, data: new Kind(buffer, 4 + length + offset, size) };
  }
  return { step: head.step, arrays };
}

/** Draw a frame on a canvas, as large as the page shows it. */
export function draw(canvas, about, ground, frame, layers, level) {
  const ratio = window.devicePixelRatio || 1, width = canvas.clientWidth;
  const two = about.kind === "points" && layers.includes("posterior") && frame.posterior;
  const height = pictureHeight(about, ground, frame, layers, width, two);
  if (!width) return;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    canvas.style.height = `${height}px`;
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  pen.ink = getComputedStyle(canvas).color;
  pen.font = "12px system-ui, sans-serif";
  const on = (name) => layers.includes(name) && frame[name];
  if (about.kind === "images") return pictures(pen, width, height, ground, frame, layers);
  if (about.kind === "tables") return marginals(pen, width, height, about, ground, frame, layers);
  if (about.dim === 1) return line(pen, { x: 34, y: 8, width: width - 68, height: height - 32 }, about, ground, frame, layers);
  const side = two ? (width >= 480 ? width / 2 - 8 : width) : Math.min(width, height);
  plane(pen, { x: 0, y: 0, width: two ? side : width, height: two && width < 480 ? side : height }, about, ground, frame, on, layers, level);
  if (two) latent(pen, width >= 480 ? { x: side + 16, y: 0, width: side, height } : { x: 0, y: side + 16, width: side, height: side }, frame.posterior, about);
}

function pictureHeight(about, ground, frame, layers, width, two) {
  if (about.kind === "images") {
    const sheets = sheetsOf(ground, frame, layers);
    const columns = width >= 480 ? sheets.length : 1;
    return Math.ceil(sheets.length / Math.max(columns, 1)) * (Math.min(width / Math.max(columns, 1), 520) + 24);
  }
  if (about.kind === "tables") return Math.ceil(about.columns.length / tableColumns(width)) * 150;
  if (about.dim === 1) return Math.min(420, Math.max(220, width * 0.6));
  if (two) return width >= 480 ? width / 2 - 8 : 2 * width + 16;
  return Math.min(width, 560);
}

// --- points in the plane ---------------------------------------------------------------------------------------------

/** A square window on the plane in the middle of a box: functions from data to pixels. */
function windowOn(box, [[x0, x1], [y0, y1]]) {
  const scale = Math.min(box.width / (x1 - x0), box.height / (y1 - y0));
  const left = box.x + (box.width - scale * (x1 - x0)) / 2, top = box.y + (box.height - scale * (y1 - y0)) / 2;
  return { x: (x) => left + scale * (x - x0), y: (y) => top + scale * (y1 - y), scale, left, top,
           width: scale * (x1 - x0), height: scale * (y1 - y0) };
}

function plane(pen, box, about, ground, frame, on, layers, level) {
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

function number(value) {
  return Math.abs(value) >= 1e4 || (value !== 0 && Math.abs(value) < 1e-2) ? value.toExponential(1) : String(+value.toPrecision(3));
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

const scrap = typeof document === "undefined" ? null : document.createElement("canvas");

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
function latent(pen, box, { shape: [n], data }, { limits }) {
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

// --- points on a line, pictures, tables ------------------------------------------------------------------------------

function line(pen, box, about, ground, frame, layers) {
  const [low, high] = about.limits[0], bins = 80, x = (value) => box.x + (box.width * (value - low)) / (high - low);
  const shares = ({ shape, data }) => {
    const found = new Float64Array(bins), d = shape[1] || 1;
    for (let i = 0; i < shape[0]; i++) {
      const k = Math.floor((bins * (data[d * i] - low)) / (high - low));
      if (k >= 0 && k < bins) found[k] += bins / (high - low) / shape[0];
    }
    return found;
  };
  const real = ground.real ? shares(ground.real) : new Float64Array(bins);
  const top = 1.6 * Math.max(1e-9, ...real), y = (value) => box.y + box.height * (1 - Math.min(1.05, value / top));
  const steps = (values, colour, fill) => {
    pen.beginPath();
    pen.moveTo(box.x, y(0));
    values.forEach((value, k) => {
      pen.lineTo(box.x + (box.width * k) / bins, y(value));
      pen.lineTo(box.x + (box.width * (k + 1)) / bins, y(value));
    });
    pen.lineTo(box.x + box.width, y(0));
    pen[fill ? "fillStyle" : "strokeStyle"] = colour;
    pen.globalAlpha = fill ? 0.4 : 1;
    pen.lineWidth = 1.5;
    pen[fill ? "fill" : "stroke"]();
    pen.globalAlpha = 1;
  };
  if (layers.includes("real") && ground.real) steps(real, GREY, true);
  if (layers.includes("raw") && frame.raw) steps(shares(frame.raw), ORANGE, false);
  if (layers.includes("ema") && frame.ema) steps(shares(frame.ema), BLUE, false);
  const curve = (array, colour, dashes) => {
    pen.beginPath();
    let down = false;
    array.data.forEach((value, k) => {
      const place = [box.x + (box.width * k) / (array.data.length - 1), box.y + box.height * (1 - value)];
      if (Number.isFinite(value)) pen[down ? "lineTo" : "moveTo"](...place);
      down = Number.isFinite(value);
    });
    pen.strokeStyle = colour;
    pen.setLineDash(dashes);
    pen.lineWidth = 1.6;
    pen.stroke();
    pen.setLineDash([]);
  };
  if (layers.includes("discriminator") && frame.discriminator) curve(frame.discriminator, VERMILLION, []);
  if (layers.includes("best") && frame.best) curve(frame.best, pen.ink, [5, 4]);
  pen.fillStyle = pen.strokeStyle = pen.ink;
  pen.lineWidth = 1;
  pen.strokeRect(box.x + 0.5, box.y + 0.5, box.width - 1, box.height - 1);
  pen.textAlign = "center";
  for (const value of [low, (low + high) / 2, high]) pen.fillText(number(value), x(value), box.y + box.height + 15);
  pen.textAlign = "left";
  for (const d of [0, 0.5, 1]) pen.fillText(`D ${d}`, box.x + box.width + 3, box.y + box.height * (1 - d) + (d === 1 ? 10 : 4) * (d > 0));
}

function sheetsOf(ground, frame, layers) {
  const found = [];
  if (layers.includes("ema") && frame.ema) found.push(["samples, averaged weights", frame.ema]);
  if (layers.includes("raw") && frame.raw) found.push(["samples, weights of this step", frame.raw]);
  if (layers.includes("real") && ground.real) found.push(["held-out pictures", ground.real]);
  return found;
}

function pictures(pen, width, height, ground, frame, layers) {
  const sheets = sheetsOf(ground, frame, layers), across = width >= 480 ? sheets.length : 1, room = width / Math.max(across, 1);
  sheets.forEach(([title, { shape, data }], index) => {
    const [n, h, w] = shape, channels = shape[3] || 1, columns = Math.ceil(Math.sqrt(n)), rows = Math.ceil(n / columns);
    const image = new ImageData(columns * (w + 1), rows * (h + 1));
    for (let k = 0; k < n; k++)
      for (let row = 0; row < h; row++)
        for (let column = 0; column < w; column++) {
          const from = channels * ((k * h + row) * w + column);
          const to = 4 * ((Math.floor(k / columns) * (h + 1) + row) * image.width + (k % columns) * (w + 1) + column);
          for (let c = 0; c < 3; c++) image.data[to + c] = data[from + (channels === 3 ? c : 0)];
          image.data[to + 3] = 255;
        }
    scrap.width = image.width;
    scrap.height = image.height;
    scrap.getContext("2d").putImageData(image, 0, 0);
    const side = Math.min(room - 8, 520), left = (index % across) * room, top = Math.floor(index / across) * (side + 32) + 18;
    pen.imageSmoothingEnabled = false;
    pen.drawImage(scrap, left, top, side, (side * image.height) / image.width);
    pen.fillStyle = pen.ink;
    pen.textAlign = "left";
    pen.fillText(title, left, top - 6);
  });
}

function tableColumns(width) {
  return Math.max(1, Math.min(4, Math.floor(width / 220)));
}

function marginals(pen, width, height, about, ground, frame, layers) {
  const across = tableColumns(width), room = width / across;
  about.columns.forEach((column, index) => {
    const box = { x: (index % across) * room + 4, y: Math.floor(index / across) * 150 + 18, width: room - 16, height: 105 };
    const bins = column.words ? column.words.length : about.bins;
    const row = ({ data }) => data.subarray(index * about.bins, index * about.bins + bins);
    const sets = [];
    if (layers.includes("real") && ground.real) sets.push([row(ground.real), GREY, true]);
    if (layers.includes("raw") && frame.raw) sets.push([row(frame.raw), ORANGE, false]);
    if (layers.includes("ema") && frame.ema) sets.push([row(frame.ema), BLUE, false]);
    const top = Math.max(1e-9, ...sets.flatMap(([values]) => [...values]));
    for (const [values, colour, fill] of sets) {
      pen[fill ? "fillStyle" : "strokeStyle"] = colour;
      pen.globalAlpha = fill ? 0.45 : 1;
      pen.lineWidth = 1.5;
      values.forEach((value, k) => {
        const bar = [box.x + (box.width * k) / bins + 0.5, box.y + box.height * (1 - value / top), box.width / bins - 1, (box.height * value) / top];
        pen[fill ? "fillRect" : "strokeRect"](...bar);
      });
      pen.globalAlpha = 1;
    }
    pen.fillStyle = pen.ink;
    pen.textAlign = "left";
    pen.fillText(column.name.slice(0, 30), box.x, box.y - 6);
    const ends = column.words ? [column.words[0], column.words.at(-1)] : column.edges.length ? [number(column.edges[0]), number(column.edges.at(-1))] : ["", ""];
    pen.fillText(String(ends[0]).slice(0, 14), box.x, box.y + box.height + 14);
    pen.textAlign = "right";
    if (bins > 1) pen.fillText(String(ends[1]).slice(0, 14), box.x + box.width, box.y + box.height + 14);
  });
}
