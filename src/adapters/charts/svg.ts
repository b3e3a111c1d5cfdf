import type { Chart } from './chart.ts';
import { dotOf } from './dot.ts';

/** Draws what is written in the language of Graphviz, by Graphviz in WebAssembly; it is loaded here, not before. */
export async function svgOfDot(dot: string): Promise<string> {
  const { Graphviz } = await import('@hpcc-js/wasm-graphviz');
  const graphviz = await Graphviz.load();
  const svg = graphviz.dot(dot);
  return svg.slice(svg.indexOf('<svg')).trimEnd();
}

/**
 * Draws a chart as SVG.
 *
 * The element of a state has the class `state` and the id `state-PATH`, such as `state-present.row.draining`; the one
 * of a transition the class `transition` and the id `transition-INDEX`, its place among those of the chart.
 */
export async function svgOf(chart: Chart): Promise<string> {
  return svgOfDot(dotOf(chart));
}
