"use strict";
// Plots that answer to the pointer, in place of the drawings; sample fields with a time slider.

const ink = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
const MARKS = { o: "circle", s: "rect", "^": "triangle", D: "rectRot", v: "triangle", P: "cross", X: "crossRot" };
const digits = (value) => Number(value.toPrecision(3)).toString();

const UNITS = [["s", 1], ["ms", 1e-3], ["µs", 1e-6]];
const duration = (seconds) => {
  const [unit, size] = UNITS.find(([, size]) => seconds >= 0.9995 * size) ?? UNITS[2];
  return digits(seconds / size) + " " + unit;
};

// On a logarithmic axis powers of ten are labelled, and 2 and 5 between them where there are few.
const labelled = (value, ticks) => {
  const tens = ticks.filter((tick) => Math.abs(Math.log10(tick.value) % 1) < 1e-9).length;
  const first = value / 10 ** Math.floor(Math.log10(value) + 1e-9);
  return (tens > 2 ? [1] : [1, 2, 5]).some((digit) => Math.abs(first - digit) < 1e-6);
};

const axis = (title, kind, words = digits) => ({
  type: kind,
  title: { display: true, text: title, color: ink("ink") },
  ticks: {
    color: ink("ink"), maxRotation: 0, autoSkip: kind === "linear",
    callback: (value, _, ticks) => (kind === "linear" || labelled(value, ticks) ? words(value) : null),
  },
  grid: { color: ink("rule") },
  border: { color: ink("rule") },
});

// A ring around each point of the Pareto front.
const rings = {
  id: "rings",
  afterDatasetsDraw(chart) {
    const { ctx } = chart;
    chart.data.datasets.forEach((set, i) => {
      const meta = chart.getDatasetMeta(i);
      if (!set.front || meta.hidden) return;
      ctx.save();
      ctx.strokeStyle = set.borderColor;
      ctx.lineWidth = 1.2;
      ctx.beginPath();
      ctx.arc(meta.data[0].x, meta.data[0].y, 10, 0, 2 * Math.PI);
      ctx.stroke();
      ctx.restore();
    });
  },
};

// Vertical lines from the lower to the upper end of each point's interval.
const intervals = {
  id: "intervals",
  beforeDatasetsDraw(chart) {
    const { ctx, scales: { y } } = chart;
    chart.data.datasets.forEach((set, i) => {
      const meta = chart.getDatasetMeta(i);
      if (!set.interval || meta.hidden) return;
      ctx.save();
      ctx.strokeStyle = set.borderColor;
      ctx.lineWidth = 1.2;
      ctx.beginPath();
      ctx.moveTo(meta.data[0].x, y.getPixelForValue(set.interval[0]));
      ctx.lineTo(meta.data[0].x, y.getPixelForValue(set.interval[1]));
      ctx.stroke();
      ctx.restore();
    });
  },
};

const floorSet = (data, points) => ({
  label: "truth’s own error", data: points, showLine: true, borderColor: ink("soft"), backgroundColor: ink("soft"),
  borderDash: [5, 3], borderWidth: 1.2, pointRadius: 0, pointHitRadius: 0, pointStyle: "line",
});

const rollout = (data) => {
  const kept = (y) => y !== null && (data.rises || y > 0);
  const sets = data.entries.filter((e) => e.curve.length).map((e) => ({
    label: e.label, borderColor: ink(e.ink), backgroundColor: ink(e.ink), borderDash: e.dash, borderWidth: 1.8,
    pointRadius: 0, pointHoverRadius: 4, showLine: true, pointStyle: "line", quiet: e.kind === "classical",
    data: e.times.map((x, i) => ({ x, y: kept(e.curve[i]) ? e.curve[i] : NaN })),
  }));
  if (sets.some((set) => set.quiet)) { // one entry in the legend for all of them
    sets.push({ label: "classical solvers", data: [], borderColor: ink("ink"), borderWidth: 1.8, pointStyle: "line" });
  }
  if (data.floor && sets.length) sets.push(floorSet(data, sets[0].data.map(({ x }, i) => ({ x, y: data.floor[i] }))));
  return {
    type: "scatter",
    data: { datasets: sets },
    options: {
      interaction: { mode: "index", intersect: false },
      scales: { x: axis(data.time, "linear"), y: axis(data.metric, data.rises ? "linear" : "logarithmic") },
      plugins: {
        tooltip: {
          itemSort: (a, b) => a.parsed.y - b.parsed.y,
          callbacks: {
            title: (items) => (items.length ? "time " + digits(items[0].parsed.x) : ""),
            label: (item) => item.dataset.label + ": " + digits(item.parsed.y),
          },
        },
      },
    },
  };
};

const precision = (data) => {
  const shown = data.entries.filter((e) => e.score !== null && e.seconds !== null && (data.rises || e.score > 0));
  const sets = shown.map((e) => ({
    label: e.label, data: [{ x: e.seconds, y: e.score }], interval: e.interval.includes(null) ? null : e.interval,
    borderColor: ink(e.ink), backgroundColor: ink(e.ink), pointStyle: MARKS[e.mark], rotation: e.mark === "v" ? 180 : 0,
    pointRadius: 6, pointHoverRadius: 8, front: e.front, spread: e.spread, seeds: e.seeds, quiet: e.kind === "classical",
  }));
  const solvers = new Map();
  for (const e of shown.filter((e) => e.kind === "classical")) {
    solvers.set(e.solver, [...(solvers.get(e.solver) ?? []), { x: e.seconds, y: e.score }]);
  }
  for (const [i, points] of [...solvers.values()].entries()) {
    sets.push({
      quiet: i > 0, label: "classical solvers", pointStyle: "line", data: points.sort((a, b) => a.x - b.x), showLine: true, borderColor: ink("ink"),
      borderWidth: 1.2, pointRadius: 0, pointHitRadius: 0,
    });
  }
  if (data.floorScore !== null && shown.length) {
    const seconds = shown.map((e) => e.seconds);
    const ends = [Math.min(...seconds), Math.max(...seconds)];
    sets.push(floorSet(data, ends.map((x) => ({ x, y: data.floorScore }))));
  }
  return {
    type: "scatter",
    data: { datasets: sets },
    plugins: [intervals, rings],
    options: {
      interaction: { mode: "nearest", intersect: true },
      scales: {
        x: axis("time per trajectory", "logarithmic", duration),
        y: axis(data.metric, data.rises ? "linear" : "logarithmic"),
      },
      plugins: {
        tooltip: {
          callbacks: {
            label: ({ dataset, parsed }) => [
              dataset.label + ": " + data.metric + " " + digits(parsed.y) +
                (dataset.interval ? " [" + dataset.interval.map(digits).join(", ") + "]" : ""),
              ...(dataset.spread ? [dataset.seeds + " seeds: " + dataset.spread.map((v) => (v === null ? "diverged" : digits(v))).join(" to ")] : []),
              duration(parsed.x) + " per trajectory" + (dataset.front ? ", on the Pareto front" : ""),
            ],
          },
        },
      },
    },
  };
};

const draw = (figure, config) => {
  const drawing = figure.querySelector("svg");
  const box = document.createElement("div");
  box.className = "chart";
  const canvas = document.createElement("canvas");
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", drawing.getAttribute("aria-label"));
  box.append(canvas);
  drawing.replaceWith(box);
  const make = () => {
    const options = config();
    options.options.maintainAspectRatio = false;
    options.options.animation = false;
    options.options.plugins.legend = {
      position: "bottom",
      labels: {
        color: ink("ink"), usePointStyle: true, boxHeight: 7,
        pointStyleWidth: figure.className === "rollout" ? 22 : undefined, // wide enough for dashes
        filter: (item, all) => !all.datasets[item.datasetIndex].quiet,
      },
    };
    return new Chart(canvas, options);
  };
  let chart = make();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    chart.destroy();
    chart = make();
  });
};

const block = document.getElementById("charts");
if (block && globalThis.Chart) {
  const data = JSON.parse(block.textContent);
  Chart.defaults.font.family = getComputedStyle(document.querySelector("dl")).fontFamily;
  for (const [name, config] of Object.entries({ rollout, precision })) {
    const figure = document.querySelector("figure." + name);
    if (figure) draw(figure, () => config(data));
  }
}

const PACE = 400; // milliseconds a frame
for (const viewer of document.querySelectorAll(".viewer")) {
  const slider = viewer.querySelector("input[type=range]");
  if (!slider) continue;
  const play = viewer.querySelector(".play");
  const output = viewer.querySelector("output");
  const times = slider.dataset.times.split(",").map(Number);
  let timer = 0;
  const show = () => {
    const words = "t = " + digits(times[slider.value]);
    viewer.style.setProperty("--at", slider.value);
    output.textContent = words;
    slider.setAttribute("aria-valuetext", words);
  };
  const stop = () => {
    clearInterval(timer);
    timer = 0;
    play.textContent = "Play";
    play.setAttribute("aria-pressed", "false");
  };
  slider.addEventListener("input", () => { stop(); show(); });
  play.addEventListener("click", () => {
    if (timer) return stop();
    play.textContent = "Stop";
    play.setAttribute("aria-pressed", "true");
    timer = setInterval(() => {
      slider.value = (Number(slider.value) + 1) % times.length;
      show();
    }, PACE);
  });
  show();
}
