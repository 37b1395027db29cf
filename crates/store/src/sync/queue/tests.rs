//! The sums of the queue equal its rows.

use super::*;

/// Lane, kind, items and bytes as the rows themselves say.
const COUNTED: &str = "SELECT lane, kind, count(*), sum(bytes) FROM link_queue GROUP BY lane, kind";
const SUMMED: &str = "SELECT lane, kind, items, bytes FROM link_queue_sums WHERE items > 0";

fn groups(sql: &Connection, query: &str) -> Vec<[i64; 4]> {
    let mut rows = sql.prepare(query).unwrap();
    let rows = rows.query_map([], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?]));
    rows.unwrap().map(Result::unwrap).collect()
}

fn put(sql: &Connection, lane: i64, kind: i64, row: i64, at: i64) {
    let put = "INSERT INTO link_queue(lane, kind, row, bytes, at) VALUES(?1, ?2, ?3, ?3 * 7, ?4) ON CONFLICT DO NOTHING";
    sql.execute(put, [lane, kind, row, at]).unwrap();
}

#[test]
fn the_sums_follow_what_comes_comes_twice_and_goes() {
    let sql = Connection::open_in_memory().unwrap();
    sql.create_tables(TABLES).unwrap();
    sql.create_tables(TRIGGERS).unwrap();
    for row in 1..=20 {
        put(&sql, row % 3, row % 2, row, 1000 - row);
        put(&sql, 4, row % 2, row, 5);
    }
    assert_eq!(groups(&sql, SUMMED), groups(&sql, COUNTED));
    assert_eq!(report(&sql).unwrap()[1].oldest, Some(WallTime(981)));
    assert_eq!(report(&sql).unwrap()[1].items, 7);
    assert_eq!(pending(&sql).unwrap(), 10);
    sql.execute("DELETE FROM link_queue WHERE row % 3 = 1 OR kind = 1", [])
        .unwrap();
    assert_eq!(groups(&sql, SUMMED), groups(&sql, COUNTED));
    assert_eq!(report(&sql).unwrap()[1], QueueReport::default());
    sql.execute("DELETE FROM link_queue", []).unwrap();
    assert_eq!(report(&sql).unwrap(), [QueueReport::default(); Lane::COUNT]);
    assert_eq!(pending(&sql).unwrap(), 0);
}

#[test]
fn a_file_of_before_is_counted_once() {
    let sql = Connection::open_in_memory().unwrap();
    let before = TABLES
        .split("CREATE INDEX IF NOT EXISTS link_queue_by_age")
        .next();
    sql.execute_batch(before.unwrap()).unwrap();
    put(&sql, 1, CHANGE, 3, 9);
    put(&sql, 3, AUDIT, 4, 8);
    for _start in 0..2 {
        sql.create_tables(TABLES).unwrap();
        sql.create_tables(TRIGGERS).unwrap();
        assert_eq!(groups(&sql, SUMMED), groups(&sql, COUNTED));
    }
    assert_eq!(pending(&sql).unwrap(), 1);
}
