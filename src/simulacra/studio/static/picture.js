// The live picture. It asks for the next frame when it has drawn the last one, so it drops frames and never falls behind.
import { decode, draw } from "simulacra-drawing";

export default {
  template: `
    <div class="picture">
      <canvas ref="canvas" role="img" :aria-label="told" tabindex="-1"></canvas>
      <p class="picture-told" ref="told" data-test="told" :data-step="step_" :data-points="points" :data-updates="updates"
         :data-drawn="drawn" :data-mean="mean" :data-layers="present">{{ told }}</p>
    </div>`,
  props: { run: String, layers: Array, step: Number, level: Number },
  data() {
    return { told: "waiting for the first picture", step_: -1, points: 0, updates: 0, drawn: 0, mean: "", present: "" };
  },
  mounted() {
    this.going = true;
    this.mark = "";
    this.times = [];
    this.resized = new ResizeObserver(() => this.paint());
    this.resized.observe(this.$refs.canvas);
    this.dark = new MutationObserver(() => this.paint());
    this.dark.observe(document.body, { attributes: true, attributeFilter: ["class"] });
    this.begin();
  },
  unmounted() {
    this.going = false;
    this.resized.disconnect();
    this.dark.disconnect();
  },
  watch: {
    layers: { deep: true, handler() { this.mark = ""; this.paint(); } },
    level() { this.paint(); },
    step() { this.mark = ""; this.wake?.(); },
    run() { this.about = this.ground = this.frame = null; this.mark = ""; this.begin(); },
  },
  methods: {
    async begin() {
      const mine = (this.turn = (this.turn || 0) + 1);
      while (this.going && mine === this.turn) {
        try {
          if (!this.about || (this.frame && !this.ground)) await this.learn();
          await this.next();
        } catch (error) {
          this.told = `no picture: ${error.message}`;
          await this.rest(1000);
        }
      }
    },
    rest(ms) {
      return new Promise((done) => { this.wake = done; setTimeout(done, ms); });
    },
    place(what) {
      return `${window.path_prefix || ""}/api/${what}/${this.run.split("/").map(encodeURIComponent).join("/")}`;
    },
    async learn() {
      const about = await fetch(this.place("about"));
      if (!about.ok) throw new Error((await about.json()).error);
      this.about = await about.json();
      const ground = await fetch(this.place("ground"));
      this.ground = ground.ok ? decode(await ground.arrayBuffer()) : null;
    },
    async next() {
      if (document.hidden) return this.rest(500);
      const fixed = this.step !== null && this.step !== undefined && this.step >= 0;
      if (fixed && this.mark === `step ${this.step}`) return this.rest(500);
      const query = fixed ? `step=${this.step}` : `after=${encodeURIComponent(this.mark)}&layers=${this.layers.join(",")}`;
      const answer = await fetch(`${this.place("frame")}?${query}`);
      if (answer.status === 204) return this.rest(40);
      if (!answer.ok) throw new Error(answer.status === 404 ? (await answer.json()).error : `the studio answered ${answer.status}`);
      const frame = decode(await answer.arrayBuffer());
      this.mark = fixed ? `step ${this.step}` : answer.headers.get("X-Mark");
      this.frame = frame;
      await new Promise((done) => requestAnimationFrame(done));
      this.paint();
      this.tell();
    },
    paint() {
      if (!this.about || !this.frame || !this.$refs.canvas) return;
      draw(this.$refs.canvas, this.about, this.ground?.arrays || {}, this.frame.arrays, this.layers, this.level || 0);
    },
    tell() {
      const now = performance.now(), arrays = this.frame.arrays;
      this.times = [...this.times.filter((time) => now - time < 3000), now];
      this.updates = this.times.length > 1 ? (this.times.length - 1) / ((now - this.times[0]) / 1000) : 0;
      this.updates = Math.round(10 * this.updates) / 10;
      const shown = this.layers.find((name) => arrays[name]) && (arrays.ema || arrays.raw);
      this.points = shown ? shown.shape[0] : 0;
      this.step_ = this.frame.step;
      this.drawn += 1;
      const d = arrays.discriminator;
      this.mean = d ? (d.data.reduce((a, b) => a + b, 0) / d.data.length).toFixed(7) : "";
      this.present = Object.keys(arrays).join(",");
      const what = { points: "samples", images: "pictures", tables: "columns" }[this.about.kind];
      const fixed = this.step >= 0 || !this.updates ? "" : ` · ${this.updates.toFixed(1)} a second`;
      this.told = `step ${this.frame.step.toLocaleString("en")} · ${this.points.toLocaleString("en")} ${what}` + fixed;
    },
  },
};
