-- The table of topic.sql after some years: it also has the fields of an event.
ALTER TABLE oasis_events ADD layer text, ADD module text, ADD source text, ADD kind text, ADD title text,
  ADD ref text, ADD meta jsonb DEFAULT '{}', ADD projected boolean DEFAULT false, ADD task_stage text,
  ADD actor_id text, ADD actor_email text;
INSERT INTO oasis_events (created_at, vtid, topic, service, status, layer, module, source, kind, title, meta,
    projected, actor_id) VALUES
  ('2025-11-02 09:00+00', 'VTID-0099', 'task.stage', 'planner', 'info', 'CICDL', 'GATEWAY', 'github.actions',
    'workflow_run', 'CICDL-GATEWAY-WORKFLOW-RUN', '{"run_id":7}', true, 'u1'),
  ('2025-11-02 09:01+00', 'UNSET', 'heartbeat', 'crewai', 'info', NULL, NULL, 'agent.ping', 'ping', NULL,
    '{"agent":"planner"}', false, NULL);
