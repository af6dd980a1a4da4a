INSERT INTO objects (id, parent_id, resource_name, last_modified, data, deleted)
VALUES ('shop', '', 'bucket', now(), '{}', FALSE);

INSERT INTO objects (id, parent_id, resource_name, last_modified, data, deleted)
SELECT 'items-' || n, '/buckets/shop', 'collection', now()::timestamp + n * interval '1 millisecond', '{}', FALSE
FROM generate_series(0, 49) AS n;

INSERT INTO objects (id, parent_id, resource_name, last_modified, data, deleted)
SELECT 'record-' || n, '/buckets/shop/collections/items-' || n % 50, 'record', now()::timestamp - n * interval '1 second',
       jsonb_build_object('title', 'item ' || n, 'price', n % 997), FALSE
FROM generate_series(0, 49999) AS n;

INSERT INTO access_control_entries (object_id, permission, principal)
VALUES ('/buckets/shop', 'read', 'system.Everyone');
