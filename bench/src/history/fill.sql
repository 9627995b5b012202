-- Inserts the events with the numbers $1 to $2. Event n is recorded n * 6 s after $3, so five million events
-- span most of a year. The same numbers always give the same rows. h1 and h2 are hashes of n, with 64 evenly
-- distributed bits each. The columns that are computed from 16 of these bits are numbers from 0 to 1.
INSERT INTO public.oasis_events
    (ts, vtid, layer, module, source, kind, status, title, ref, link, recorded_at, meta)
SELECT recorded_at - lag, vtid, layer, module, source, kind, status,
       layer || '-' || module || '-' || upper(translate(kind, '_.', '--')),
       'vt/' || vtid || '-' || translate(kind, '_.', '--'),
       'https://github.com/example/app/actions/runs/' || run, recorded_at,
       jsonb_build_object('run_id', run, 'actor', 'dev-' || task % 40, 'branch', 'feature/' || task,
                          'sha', sha)
FROM (
    SELECT 9000000000 + n AS run, md5(n::text) AS sha, task,
           $3::text::timestamptz + n * interval '6 s' AS recorded_at,
           -- Most events are recorded within seconds. Some events are recorded hours or months late. The
           -- times of a few events come from a clock that is fast. 20,000 old events are recorded in a row.
           CASE WHEN n / 20000 = 150 THEN interval '150 days'
                WHEN n % 500009 = 2 THEN interval '200 days'
                WHEN n % 10007 = 3 THEN lateness * interval '60 days'
                WHEN n % 1009 = 4 THEN lateness * interval '6 hours'
                WHEN n % 5003 = 5 THEN lateness * interval '-10 minutes'
                ELSE interval '0.2 s' - ln(1 - lateness) * interval '3 s' END AS lag,
           CASE WHEN rare THEN 'DEV-RARE-0001' WHEN no_task THEN 'UNSET'
                ELSE 'DEV-' || hue || '-' || lpad(task::text, 5, '0') END AS vtid,
           CASE WHEN rare THEN 'RARE' WHEN no_task THEN 'UNSET' ELSE hue END AS layer,
           CASE WHEN n % 500009 = 3 THEN 'ODDITY' ELSE 'SERVICE-' || floor(40 * m * m) END AS module,
           -- The source agent.ping is frequent, and so is the status queued. But only ten of five million
           -- events have this source and this status.
           CASE WHEN pair OR s < 0.05 THEN 'agent.ping' WHEN s < 0.0502 THEN 'gcp.deploy'
                WHEN s < 0.3 THEN 'oasis.events' ELSE 'github.actions' END AS source,
           CASE WHEN n % 500009 = 5 THEN 'release_note'
                ELSE (ARRAY['workflow_run', 'workflow_job', 'push', 'check_run', 'pull_request', 'deploy',
                            'task.init', 'task.step', 'task.done', 'issue_comment', 'issues', 'create',
                            'delete', 'star', 'fork', 'release'])[1 + floor(16 * k * k)] END AS kind,
           CASE WHEN pair THEN 'queued' WHEN t < 0.0002 THEN 'cancelled' WHEN t < 0.02 THEN 'failure'
                WHEN t < 0.12 AND s >= 0.05 THEN 'queued' WHEN t < 0.32 THEN 'in_progress'
                WHEN t < 0.6 THEN 'success' ELSE 'info' END AS status
    FROM (
        SELECT n, n % 1000003 = 17 AS rare, n % 500009 = 7 AS pair,
               (h1 & 65535) / 65536.0::float8 < 0.15 AS no_task,
               (h1 >> 16 & 65535) / 65536.0::float8 AS m, (h2 & 65535) / 65536.0::float8 AS s,
               (h2 >> 16 & 65535) / 65536.0::float8 AS k, (h2 >> 32 & 65535) / 65536.0::float8 AS t,
               (h1 >> 32 & 65535) / 65536.0::float8 AS lateness, task,
               (ARRAY['CICDL', 'GATEWY', 'OASIS', 'AGENT', 'INFRA', 'DATA', 'VISUAL',
                      'SECURE'])[1 + task % 8] AS hue
        FROM (
            SELECT n, hashint8extended(n, 1) AS h1, hashint8extended(n, 2) AS h2,
                   floor(50000 * ((hashint8extended(n, 3) & 4294967295) / 4294967296.0::float8) ^ 3)::int
                       AS task
            FROM generate_series($1::bigint, $2::bigint) AS n
            OFFSET 0
        ) AS hashed
        OFFSET 0
    ) AS spread
    OFFSET 0
) AS event
ORDER BY run
