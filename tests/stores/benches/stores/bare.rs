//! The same statements without the library: what the database can do.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use grantwell_store_tests::place::Place;
use sqlx::{AssertSqlSafe, Connection as _};

use crate::flow::Flow;
use crate::redis_bare;

/// How often a second the flow's statements run bare; `None` where that cannot be measured.
pub(crate) async fn rate(
    place: &Place,
    flow: Flow,
    statements: &[String],
    tasks: usize,
    time: Duration,
) -> Option<f64> {
    match place {
        Place::Memory => None,
        Place::Sqlite { file } => {
            let mut connection = sqlx::SqliteConnection::connect(&format!("sqlite:{file}")).await.unwrap();
            for copy in copies("grantwell_", "(SELECT value AS n FROM json_each('[NUMBERS]'))") {
                sqlx::query(AssertSqlSafe(copy)).execute(&mut connection).await.unwrap();
            }
            Some(sqlite(Path::new(file), statements, flow, time))
        }
        Place::Postgres { url, prefix } => {
            let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
            for copy in copies(prefix, "(SELECT unnest(ARRAY[NUMBERS]) AS n) AS numbers") {
                sqlx::query(AssertSqlSafe(copy)).execute(&mut connection).await.unwrap();
            }
            pgbench(url, prefix, statements, tasks, time)
        }
        Place::Redis { url, .. } => redis_bare::rate(url, flow, statements, tasks),
    }
}

/// Records to look up: copies of what the flows made, under numbered identifiers.
fn copies(prefix: &str, numbers: &str) -> Vec<String> {
    let list: Vec<String> = (0..100).map(|n| n.to_string()).collect();
    let numbers = numbers.replace("NUMBERS", &list.join(","));
    [
        ("authorizations", "client, subject, session, expires_at, revoked, payload", "NOT revoked"),
        ("access_tokens", "authorization_id, client, expires_at, revoked, payload", "authorization_id NOT LIKE 'filler%'"),
        ("refresh_tokens", "authorization_id, generation, expires_at, payload", "TRUE"),
        ("consents", "subject, client, payload", "TRUE"),
    ]
    .map(|(table, columns, condition)| {
        format!(
            "INSERT INTO {prefix}{table} (id, {columns}) SELECT 'bare' || n, {columns} FROM
            (SELECT * FROM {prefix}{table} WHERE {condition} LIMIT 1) AS one, {numbers} WHERE TRUE ON CONFLICT DO NOTHING"
        )
    })
    .to_vec()
}

/// What is bound to a statement, as SQL over `:id`, which is new each time, and `:k`, which is below 100.
fn expressions(statement: &str) -> Vec<String> {
    let new = "'new' || CAST(:id AS TEXT)".to_owned();
    let found = "'bare' || CAST(:k AS TEXT)".to_owned();
    let (end, payload) = ("9999999999".to_owned(), format!("'{}'", "x".repeat(400)));
    let bare = "'bare1'".to_owned();
    if statement.contains("clients WHERE") {
        return vec!["'app'".to_owned()];
    }
    if statement.contains("codes (id") || statement.contains("FROM code ON") || statement.contains("SELECT $5, $6") {
        let root = [
            new.clone(),
            "'app'".to_owned(),
            "'subject'".to_owned(),
            "'session'".to_owned(),
            end.clone(),
            payload.clone(),
        ];
        return [vec![new.clone(), new, end, payload], root.to_vec()].concat();
    }
    if ["$5", "$10", "$11"].iter().any(|last| statement.contains(last)) {
        let is_rotation =
            statement.contains("SET generation") || statement.contains("UPDATE") && statement.contains("generation =");
        let handle = if is_rotation { found } else { new.clone() };
        let owner = if is_rotation { "authorization_id".to_owned() } else { bare.clone() };
        let last = if is_rotation { "generation".to_owned() } else { new.clone() };
        let token = vec![new, bare, "'app'".to_owned(), end.clone(), payload.clone()];
        return [token, vec![handle, owner, "generation".to_owned(), end, payload, last]].concat();
    }
    vec![if statement.contains("codes c") { new } else { found }]
}

/// The statement with expressions in the place of its parameters.
fn filled(statement: &str) -> String {
    let expressions = expressions(statement);
    let is_rotation = statement.contains("SET generation");
    (1..=expressions.len()).rev().fold(statement.to_owned(), |text, n| {
        let expression = match expressions[n - 1].as_str() {
            // A family that is new begins at 0.
            "generation" if !is_rotation => "0",
            expression => expression,
        };
        text.replace(&format!("${n}"), expression)
    })
}

fn pgbench(url: &str, prefix: &str, statements: &[String], tasks: usize, time: Duration) -> Option<f64> {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("flow.sql");
    let mut text = "\\set id random(1, 9223372036854775807)\n\\set k :client_id\n".to_owned();
    for statement in statements {
        assert!(statement.contains(prefix), "{statement}");
        text += &format!("{};\n", filled(statement).replace('\n', " "));
    }
    std::fs::write(&script, text).unwrap();
    let seconds = time.as_secs().max(1).to_string();
    let tasks = tasks.to_string();
    let output = Command::new("pgbench")
        .args(["-n", "-M", "prepared", "-j", "2", "-c", &tasks, "-T", &seconds, "-f"])
        .args([script.as_os_str(), url.as_ref()])
        .output()
        .ok()?;
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let rate = said.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
    Some(rate.unwrap_or_else(|| panic!("{said}")))
}

/// In one thread: there is one writer anyway.
fn sqlite(file: &Path, statements: &[String], flow: Flow, time: Duration) -> f64 {
    let connection = rusqlite::Connection::open(file).unwrap();
    connection.set_prepared_statement_cache_capacity(100);
    connection.busy_timeout(Duration::from_secs(5)).unwrap();
    for (pragma, value) in [("journal_mode", "WAL"), ("synchronous", "FULL")] {
        connection.pragma_update(None, pragma, value).unwrap();
    }
    let statements: Vec<String> = statements.iter().map(|statement| filled(statement)).collect();
    let began = Instant::now();
    let mut count = 0_u32;
    while began.elapsed() < time {
        let mut is_changing = false;
        for statement in &statements {
            let is_change = !statement.starts_with("SELECT");
            if is_change != is_changing {
                connection.execute_batch(if is_change { "BEGIN IMMEDIATE" } else { "COMMIT" }).unwrap();
                is_changing = is_change;
            }
            run(&connection, statement, flow, count);
        }
        if is_changing {
            connection.execute_batch("COMMIT").unwrap();
        }
        count += 1;
    }
    f64::from(count) / began.elapsed().as_secs_f64()
}

fn run(connection: &rusqlite::Connection, statement: &str, flow: Flow, count: u32) {
    let mut prepared = connection.prepare_cached(statement).unwrap();
    for (name, value) in [(":id", i64::from(count) * 10 + flow as i64), (":k", i64::from(count % 100))] {
        if let Some(index) = prepared.parameter_index(name).unwrap() {
            prepared.raw_bind_parameter(index, value).unwrap();
        }
    }
    let mut rows = prepared.raw_query();
    while rows.next().unwrap().is_some() {}
}
