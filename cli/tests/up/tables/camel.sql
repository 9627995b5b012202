-- An older table: camel case and text ids
CREATE TABLE "OasisEvent" (id text PRIMARY KEY, rid text, service text, event text, tenant text, status text,
  notes text, git_sha text, metadata jsonb, "createdAt" timestamp DEFAULT now());
INSERT INTO "OasisEvent" VALUES
  ('clx1', 'r-1', 'gcp', 'deploy', 'maxina', 'start', 'v1', 'abc123', '{"vtid":"dev-cicdl-0031"}',
    '2025-06-01 08:00:00.5'),
  ('clx2', 'r-2', 'worker', 'heartbeat', NULL, NULL, NULL, NULL, '{"agent_role":"planner"}', 'infinity');
