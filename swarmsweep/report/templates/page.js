"use strict";
// Replaces each drawing by a live chart. Where this fails, the drawing stays.
(() => {
  // Vega and the charts are compressed, because they would be most of the page.
  const unpack = (name) => {
    const packed = Uint8Array.from(atob(document.getElementById(name).textContent), (sign) => sign.charCodeAt(0));
    return new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  };

  const openSection = (section) => {
    section.open = true;
    section.scrollIntoView({ block: "start" });
    section.querySelector("summary").focus({ preventScroll: true });
  };
  const openNamed = () => {
    const section = location.hash && document.getElementById(location.hash.slice(1));
    if (section && section.matches("details")) openSection(section);
  };
  // The policy of the page allows this script alone.
  const startVega = async () => {
    const script = document.createElement("script");
    script.textContent = await unpack("vega");
    document.head.append(script);
    return JSON.parse(await unpack("charts"));
  };
  const makeLive = async (figure, data) => {
    const place = figure.querySelector(".drawing");
    const chart = document.createElement("div");
    const options = { mode: "vega-lite", renderer: "svg", actions: false, ast: true, tooltip: { theme: "custom", disableDefaultStyle: true } };
    const { view } = await vegaEmbed(chart, data.charts[figure.dataset.chart], options);
    view.addEventListener("click", (event, item) => {
      const name = item && item.datum && data.sections[item.datum.id];
      if (name) openSection(document.getElementById(name));
    });
    // The drawing has the name of the chart for screen readers.
    const drawn = place.querySelector("svg");
    const svg = chart.querySelector("svg");
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", drawn.getAttribute("aria-label"));
    place.replaceChildren(chart);
    figure.dataset.live = "yes";
  };

  const figures = [...document.querySelectorAll("figure[data-chart]")];
  const keep = (figure) => () => { figure.dataset.live = "no"; };
  startVega().then(
    (data) => figures.forEach((figure) => makeLive(figure, data).catch(keep(figure))),
    () => figures.forEach((figure) => keep(figure)()),
  );
  addEventListener("hashchange", openNamed);
  openNamed();
  addEventListener("beforeprint", () => {
    // The sections of hundreds of cells would be as many sheets.
    for (const details of document.querySelectorAll("body:not(.many) details, details:not(.cell)")) details.open = true;
  });
})();
