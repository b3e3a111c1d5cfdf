/** The `curl` session that the original edgeProxy documents for its Auto-Discovery API, word for word. */
export const ORIGINAL_SESSION: readonly string[] = [
  `curl -X POST http://localhost:8081/api/v1/register \\
  -H "Content-Type: application/json" \\
  -d '{
    "id": "backend-eu-1",
    "app": "myapp",
    "region": "eu",
    "ip": "10.50.1.1",
    "port": 8080,
    "weight": 2,
    "soft_limit": 100,
    "hard_limit": 150
  }'`,
  'curl -X POST http://localhost:8081/api/v1/heartbeat/backend-eu-1',
  'curl http://localhost:8081/api/v1/backends',
  'curl http://localhost:8081/health',
];
