-- uuid ids, a topic, and other statuses
CREATE TABLE oasis_events (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(), created_at timestamptz DEFAULT now(), vtid text NOT NULL,
  topic text NOT NULL, service text NOT NULL, role text, model text,
  status text CHECK (status IN ('success', 'error', 'warning', 'info')),
  message text, link text, metadata jsonb);
INSERT INTO oasis_events (created_at, vtid, topic, service, status, message, link, metadata) VALUES
  ('2025-10-28 10:00+00', 'DEV-CICDL-0031', 'deploy.gateway', 'gateway', 'success', 'deployed',
    'https://example.com/1', '{"sha":"abc"}'),
  ('2025-10-28 10:01+00', 'SYSTEM', 'Agents.Registry Degraded', 'registry-scan', 'warning', '2 stale',
    '/relative', NULL),
  ('2025-10-28 10:02+00', 'DEV-COMMU-0042.G', 'task_failed', 'Worker 7', 'error', repeat('x', 20000), NULL,
    '{"n":123456789012345678901234567890}');
