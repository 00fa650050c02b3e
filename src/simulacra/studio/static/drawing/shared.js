// The palette, and what the other files here share.
export const BLUE = "#0072b2", VERMILLION = "#d55e00", GREEN = "#009e73", ORANGE = "#e69f00", GREY = "#8a8a8a";
export const scrap = typeof document === "undefined" ? null : document.createElement("canvas");

export function number(value) {
  return Math.abs(value) >= 1e4 || (value !== 0 && Math.abs(value) < 1e-2) ? value.toExponential(1) : String(+value.toPrecision(3));
}
