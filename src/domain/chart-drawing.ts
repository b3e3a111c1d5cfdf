/** A drawn machine; in its SVG, states have the ids `state-PATH` and transitions `transition-INDEX`. */
export interface ChartDrawing {
  readonly svg: string;
  /** Source and target are paths of states; `event` is a type as it comes with events, empty for none. */
  readonly transitions: readonly { readonly from: string; readonly to: string; readonly event: string }[];
}
