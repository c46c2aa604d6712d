// Draws the charts of a page beside their tables. The numbers come from a JSON block next to each; nothing is
// fetched, and without this file the tables are what people see.
(() => {
  "use strict";
  if (typeof uPlot === "undefined") return;

  const chinese = document.documentElement.lang.startsWith("zh");
  const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const whole = (value) => Math.trunc(value).toLocaleString("en-US");
  const cents = (fen) => `¥${whole(fen / 100)}.${String(Math.abs(fen) % 100).padStart(2, "0")}`;
  const short = (yuan) => {
    const [size, word] = chinese ? [10000, " 万"] : [1000, "k"];
    return yuan >= size ? `${+(yuan / size).toFixed(1)}${word}` : `${+yuan.toFixed(2)}`;
  };
  const units = {
    fen: { tick: (value) => short(value / 100), exact: cents },
    per10000: { tick: (value) => `${+(value / 100).toFixed(1)}%`, exact: (value) => `${(value / 100).toFixed(1)}%` },
    count: { tick: (value) => (Number.isInteger(value) ? whole(value) : ""), exact: whole },
    ms: { tick: (value) => `${+(value / 1000).toFixed(1)} s`, exact: (value) => `${(value / 1000).toFixed(1)} s` },
  };

  const limits = (plot) => (_self, _low, high) => {
    if (plot.unit !== "per10000") return [0, high > 0 ? high * 1.08 : 1];
    const low = Math.min(...plot.values.filter((value) => value !== null));
    return [Number.isFinite(low) ? Math.max(0, Math.floor((low - 300) / 500) * 500) : 0, 10000];
  };

  const options = (data, plot, width, read) => {
    const axis = {
      stroke: token("--c-ink-3"),
      font: `12px ${token("--f-sans")}`,
      grid: { stroke: token("--c-line-2"), width: 1 },
      ticks: { show: false },
    };
    const colour = token(plot.kind === "bars" ? "--c-primary" : "--wait-dot");
    return {
      width,
      height: plot.small ? 130 : 230,
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, sync: { key: read.key }, points: { size: 6 } },
      scales: { x: { time: false, range: [-0.6, data.days.length - 0.4] }, y: { range: limits(plot) } },
      axes: [
        { ...axis, grid: { show: false }, size: 28, incrs: [1, 2, 5, 10, 20], space: 52, values: (_u, at) => at.map((i) => data.days[i] ?? "") },
        { ...axis, size: 64, space: plot.small ? 34 : 40, values: (_u, ticks) => ticks.map(units[plot.unit].tick) },
      ],
      series: [
        {},
        {
          label: plot.word,
          stroke: colour,
          width: plot.kind === "bars" ? 0 : 2,
          fill: plot.kind === "bars" ? colour : undefined,
          paths: plot.kind === "bars" ? uPlot.paths.bars({ size: [0.6, 40], radius: 0.04 }) : undefined,
          points: { show: plot.kind === "line", size: 5, fill: token("--c-surface") },
        },
      ],
      hooks: { setCursor: [(self) => read.show(self.cursor.idx)] },
    };
  };

  const draw = (section, number) => {
    const data = JSON.parse(section.querySelector('script[type="application/json"]').textContent);
    const plots = section.querySelector("[data-chart-plots]");
    const table = section.querySelector("[data-chart-table]");
    const chooser = section.querySelector("[data-chart-switch]");
    const line = document.createElement("p");
    line.className = "c-read";
    const idle = data.plots.map((plot) => plot.word).join(" · ");
    line.textContent = idle;
    const read = {
      key: `chart-${number}`,
      show: (at) => {
        const parts = data.plots.map((plot) => {
          const value = at === null || at === undefined ? null : plot.values[at];
          return `${plot.word} ${value === null ? "—" : units[plot.unit].exact(value)}`;
        });
        line.textContent = at === null || at === undefined ? idle : [data.days[at], ...parts].join(" · ");
      },
    };
    const choose = (view) => {
      plots.hidden = view !== "plots";
      table.hidden = view === "plots";
      for (const button of chooser.querySelectorAll("button")) {
        button.setAttribute("aria-pressed", String(button.dataset.view === view));
      }
    };
    choose("plots");
    const x = data.days.map((_day, at) => at);
    const width = () => Math.max(plots.clientWidth, 120);
    const drawn = data.plots.map((plot) => new uPlot(options(data, plot, width(), read), [x, plot.values], plots));
    plots.append(line);
    new ResizeObserver(() => {
      if (plots.hidden) return;
      drawn.forEach((chart, at) => chart.setSize({ width: width(), height: data.plots[at].small ? 130 : 230 }));
    }).observe(plots);
    chooser.hidden = false;
    chooser.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button) choose(button.dataset.view);
    });
  };

  const start = () => document.querySelectorAll("[data-chart]").forEach(draw);
  // The font decides how wide the axis has to be.
  document.fonts.ready.then(start);
})();
