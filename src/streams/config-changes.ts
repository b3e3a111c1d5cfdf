import { concatMap, defer, EMPTY, type Observable, of } from 'rxjs';
import {
  type ConfigInput,
  type ConfigOutcome,
  type Configuration,
  takeIn,
  withRefusals,
} from '../config/configuration.ts';
import { type ConfigChange, diffSettings } from '../config/diff.ts';
import type { Settings } from '../config/schema.ts';

/** What an input came to, for logs, metrics, and whoever shows the configuration. */
export interface ConfigStep {
  readonly source: ConfigInput['source'];
  readonly outcome: ConfigOutcome;
  readonly before: Configuration;
  readonly after: Configuration;
}

export interface ConfigChangesOptions {
  readonly start: Configuration;
  /** Every change of a source, good or bad. */
  readonly inputs$: Observable<ConfigInput>;
  /** Brings a change into force; resolves with the settings that are. One at a time; the default takes all of it. */
  readonly apply?: ((change: ConfigChange) => Promise<Settings>) | undefined;
  readonly onStep: (step: ConfigStep) => void;
}

/**
 * The changes of a configuration that are valid as a whole, each once it is in force.
 *
 *     inputs$   ──file 1──rows 1──bad file──rows 2──►
 *     changes$  ──1─────────2───────────────3──────►     onStep: every input
 *
 * One after the other: a change is validated against what is in force when the one before it has been applied.
 * A bad input and a change that cannot be applied are told to `onStep` and change nothing; neither ends the stream,
 * which completes with its inputs.
 */
export function configChanges$(options: ConfigChangesOptions): Observable<ConfigChange> {
  const { start, inputs$, onStep, apply = ({ settings }) => Promise.resolve(settings) } = options;
  return defer(() => {
    let configuration = start;

    async function take(input: ConfigInput): Promise<ConfigChange | undefined> {
      const before = configuration;
      let { after, outcome } = takeIn(before, input);
      if (outcome.type === 'CHANGED') {
        try {
          const inForce = await apply(outcome.change);
          after = withRefusals(before, after, inForce);
          outcome = { type: 'CHANGED', change: changeInForce(outcome.change, inForce) };
        } catch (thrown) {
          const error = thrown instanceof Error ? thrown : new Error(String(thrown), { cause: thrown });
          after = withRefusals(before, after, before.inForce);
          outcome = { type: 'REFUSED', error };
        }
      }
      configuration = after;
      onStep({ source: input.source, outcome, before, after });
      return outcome.type === 'CHANGED' ? outcome.change : undefined;
    }

    return inputs$.pipe(
      concatMap(take),
      concatMap((change) => (change === undefined ? EMPTY : of(change))),
    );
  });
}

/** What of a change has come into force. */
function changeInForce(change: ConfigChange, inForce: Settings): ConfigChange {
  const refused = new Set(diffSettings(inForce, change.settings).map(({ key }) => key));
  return { ...change, settings: inForce, changes: change.changes.filter(({ key }) => !refused.has(key)) };
}
