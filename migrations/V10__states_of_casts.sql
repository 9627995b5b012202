-- Allows states of casts in oasis_channels. This is a step of its own, because the next step takes long, and
-- readers of the states would wait for it.
SET LOCAL lock_timeout = '3s';

-- A room is open or closed. A cast is queued or running, or it has succeeded or failed.
ALTER TABLE {schema}.oasis_channels DROP CONSTRAINT oasis_channels_state_check;
ALTER TABLE {schema}.oasis_channels ADD CONSTRAINT oasis_channels_state_check
    CHECK (state IN ('open', 'closed', 'queued', 'running', 'succeeded', 'failed'));
-- The casts of an owner, newest first.
CREATE INDEX oasis_channels_casts ON {schema}.oasis_channels (owner, created_at, channel)
    WHERE state IN ('queued', 'running', 'succeeded', 'failed');
-- The casts of a workflow run.
CREATE INDEX oasis_channels_runs ON {schema}.oasis_channels ((data ->> 'runId'))
    WHERE state IN ('queued', 'running', 'succeeded', 'failed') AND octet_length(data ->> 'runId') <= 64;
-- The casts of an owner that have not ended, and the casts that a workflow run may drive.
CREATE INDEX oasis_channels_unfinished ON {schema}.oasis_channels (owner, last_id)
    WHERE state IN ('queued', 'running');
CREATE INDEX oasis_channels_driven ON {schema}.oasis_channels (channel)
    WHERE state IN ('queued', 'running', 'succeeded', 'failed') AND data ?| '{repository,runId}'::text[];
