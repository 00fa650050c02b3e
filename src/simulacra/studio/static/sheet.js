// A sheet to draw strokes on: x and y from -1 to 1, y upwards.
const PEN = "#0072b2", NEAREST = 0.012;

export default {
  template: `
    <canvas ref="canvas" class="sheet" tabindex="0" role="application" data-test="sheet" :data-strokes="count" :data-corners="corners"
      :aria-label="'sheet to draw on, ' + count + ' strokes, the pen is ' + (line ? 'down' : 'up') + '; arrow keys move it, space puts it down or lifts it, backspace takes a stroke back'"
      @pointerdown="down" @pointermove="drag" @pointerup="up" @pointercancel="up" @keydown="key"></canvas>`,
  props: { strokes: Array },
  emits: ["drawn"],
  data() {
    return { count: 0, corners: 0, line: null, spot: [0, 0], keyed: false };
  },
  mounted() {
    this.lines = (this.strokes || []).map((line) => [...line]);
    this.resized = new ResizeObserver(() => this.paint());
    this.resized.observe(this.$refs.canvas);
    this.dark = new MutationObserver(() => this.paint());
    this.dark.observe(document.body, { attributes: true, attributeFilter: ["class"] });
    this.paint();
  },
  unmounted() {
    this.resized.disconnect();
    this.dark.disconnect();
  },
  watch: {
    strokes: { deep: true, handler() { this.line = null; this.lines = (this.strokes || []).map((line) => [...line]); this.paint(); } },
  },
  methods: {
    place(event) {
      const box = this.$refs.canvas.getBoundingClientRect(), within = (v) => Math.round(1e4 * Math.max(-1, Math.min(1, v))) / 1e4;
      return [within((2 * (event.clientX - box.left)) / box.width - 1), within(1 - (2 * (event.clientY - box.top)) / box.height)];
    },
    down(event) {
      this.$refs.canvas.setPointerCapture(event.pointerId);
      this.keyed = false;
      this.begin(this.place(event));
    },
    drag(event) {
      if (this.line && !this.keyed) this.go(this.place(event));
    },
    up() {
      if (this.line && !this.keyed) this.end();
    },
    begin(spot) {
      this.spot = spot;
      this.line = [spot];
      this.lines.push(this.line);
      this.paint();
    },
    go(spot) {
      this.spot = spot;
      const last = this.line?.at(-1);
      if (last && Math.hypot(spot[0] - last[0], spot[1] - last[1]) >= NEAREST) this.line.push(spot);
      this.paint();
    },
    end() {
      this.line = null;
      this.paint();
      this.tell();
    },
    tell() {
      this.$emit("drawn", this.lines.map((line) => line.map((corner) => [...corner])));
    },
    key(event) {
      const size = event.shiftKey ? 0.2 : 0.05, moved = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
      const within = (v) => Math.round(1e4 * Math.max(-1, Math.min(1, v))) / 1e4;
      if (moved) this.go(this.spot.map((v, k) => within(v + size * moved[k])));
      else if (event.key === " " && this.line) this.end();
      else if (event.key === " ") {
        this.keyed = true;
        this.begin(this.spot);
      } else if (event.key === "Backspace" && this.lines.length) {
        this.lines.pop();
        this.end();
      } else return;
      event.preventDefault();
    },
    paint() {
      const canvas = this.$refs.canvas;
      this.count = (this.lines || []).length;
      this.corners = (this.lines || []).reduce((sum, line) => sum + line.length, 0);
      if (!canvas?.clientWidth) return;
      const side = canvas.clientWidth, ratio = window.devicePixelRatio || 1, x = (v) => (side * (v + 1)) / 2, y = (v) => (side * (1 - v)) / 2;
      canvas.width = canvas.height = Math.round(side * ratio);
      const pen = canvas.getContext("2d");
      pen.setTransform(ratio, 0, 0, ratio, 0, 0);
      pen.strokeStyle = pen.fillStyle = PEN;
      pen.lineWidth = 0.05 * side;
      pen.lineCap = pen.lineJoin = "round";
      pen.globalAlpha = 0.55;
      for (const line of this.lines) {
        pen.beginPath();
        line.forEach(([a, b]) => pen.lineTo(x(a), y(b)));
        if (line.length === 1) pen.lineTo(x(line[0][0]) + 0.1, y(line[0][1]));
        pen.stroke();
      }
      pen.globalAlpha = 1;
      pen.lineWidth = 1.5;
      pen.strokeStyle = getComputedStyle(canvas).color;
      pen.beginPath();
      pen.arc(x(this.spot[0]), y(this.spot[1]), this.line ? 4 : 7, 0, 2 * Math.PI);
      pen.stroke();
    },
  },
};
