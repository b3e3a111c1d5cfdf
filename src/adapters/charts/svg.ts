import type { Chart } from './chart.ts';
import { dotOf } from './dot.ts';

/**
 * Draws a chart as SVG, by Graphviz in WebAssembly; it is loaded when the first chart is drawn, not before.
 *
 * The element of a state has the class `state` and the id `state-PATH`, such as `state-present.row.draining`.
 */
export async function svgOf(chart: Chart): Promise<string> {
  const { Graphviz } = await import('@hpcc-js/wasm-graphviz');
  const graphviz = await Graphviz.load();
  const svg = graphviz.dot(dotOf(chart));
  return svg.slice(svg.indexOf('<svg')).trimEnd();
}
