-- Indexes for what agents send. Hardly a row of other sources is in one, so their appends cost what they did.
-- Writers wait while they are built (they may have been built before, CONCURRENTLY): each reads the whole table once,
-- however few of its rows it holds. It does not wait long for writers.
SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = 0;

-- Pings that say something new: the last events for a new reader of the feed leave out those that only repeat.
CREATE INDEX IF NOT EXISTS oasis_events_news_of_agents ON public.oasis_events ((id + 0))
    WITH (deduplicate_items = off)
    WHERE channel = 'devhub' AND source = 'agent.ping' AND (meta -> 'repeat') IS DISTINCT FROM 'true'::jsonb;

-- What others did that shares the values of which agents have millions: their walks would go through all pings.
CREATE INDEX IF NOT EXISTS oasis_events_among_agents ON public.oasis_events ((id + 0))
    WITH (deduplicate_items = off)
    WHERE channel = 'devhub' AND source <> 'agent.ping' AND (kind = 'ping' OR vtid = 'IDLE');

-- The last of each kind that was said by or of each run of an agent. Who it is, is what oasis-core's `Pinger::read` says;
-- cut, because an entry of an index must not be long.
CREATE INDEX IF NOT EXISTS oasis_events_agents ON public.oasis_events (
    (left(coalesce(
        CASE WHEN jsonb_typeof(meta -> 'instance') = 'string' THEN nullif(meta ->> 'instance', '') END,
        CASE WHEN jsonb_typeof(meta -> 'agent') = 'string' THEN nullif(meta ->> 'agent', '') END,
        module), 200) COLLATE "C"),
    (CASE WHEN kind = 'ping' AND (meta -> 'repeat') IS NOT DISTINCT FROM 'true'::jsonb THEN 'repeat' ELSE kind END COLLATE "C"),
    (id + 0))
    WITH (deduplicate_items = off)
    WHERE channel = 'devhub' AND source = 'agent.ping' AND kind IN ('ping', 'ping.lost', 'ping.back');
