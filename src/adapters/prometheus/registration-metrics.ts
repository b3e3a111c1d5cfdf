import { Counter, Gauge, type Registry } from 'prom-client';
import { REGISTRATION_CHANGES, type RegistrationChange } from '../../domain/registration.ts';

/** The numbers of the registration API. */
export interface RegistrationMetrics {
  changed(change: RegistrationChange): void;
  beat(result: 'heard' | 'unknown'): void;
  answered(status: number): void;
}

/** Makes the series of the registration API. @param count of registered backends, asked at a scrape */
export function registrationMetrics(registry: Registry, count: () => number): RegistrationMetrics {
  const registers = [registry];
  const counter = (name: string, help: string, label: string) =>
    new Counter({ name: `edgeproxy_${name}`, help, labelNames: [label], registers });
  const changes = counter('registration_changes_total', 'Changes of registered backends.', 'change');
  const beats = counter('heartbeats_total', 'Heartbeats of registered backends, by result.', 'result');
  const answers = counter('api_requests_total', 'Requests to the registration API, by status.', 'status');
  const registered: Gauge = new Gauge({
    name: 'edgeproxy_registered_backends',
    help: 'Backends that have registered.',
    registers,
    collect: () => registered.set(count()),
  });
  for (const change of REGISTRATION_CHANGES) changes.inc({ change }, 0);
  for (const result of ['heard', 'unknown']) beats.inc({ result }, 0);
  return {
    changed: (change) => changes.inc({ change }),
    beat: (result) => beats.inc({ result }),
    answered: (status) => answers.inc({ status: String(status) }),
  };
}
