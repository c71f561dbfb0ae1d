use query::guardrail::{Guardrail, Limits, RAILS};

use super::*;

fn layers(file: &str) -> Result<Layers, Error> {
    let mut layers = Layers::default();
    layers.lay_file("helenus.toml".into(), file)?;
    Ok(layers)
}

#[test]
fn a_later_layer_wins_and_says_so() {
    let mut layers = layers("[commitlog]\nsync = \"batch\"\n").unwrap();
    let variables = [("HELENUS_COMMITLOG__SYNC", "periodic"), ("HOME", "/root")];
    let owned = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    layers.lay_environment(owned.into_iter()).unwrap();
    let settings = Settings::new(layers, 1 << 30).unwrap();
    assert_eq!(settings.commitlog_sync, CommitlogSync::Periodic(Duration::from_secs(1)));
    let (_, value) = settings.layers.iter().find(|(key, _)| *key == "commitlog.sync").unwrap();
    assert_eq!(value.origin.to_string(), "environment HELENUS_COMMITLOG__SYNC");
}

#[test]
fn an_unknown_key_is_refused_with_a_suggestion() {
    let error = layers("cluster_nam = \"x\"").unwrap_err().to_string();
    assert!(error.contains("unknown setting `cluster_nam`"), "{error}");
    assert!(error.contains("did you mean `cluster_name`"), "{error}");
}

#[test]
fn a_bare_number_has_no_unit() {
    let error = Settings::new(layers("[timeouts]\nread = 5").unwrap(), 1 << 30).unwrap_err();
    assert!(error.to_string().contains("a duration such as 10s"), "{error}");
    assert_eq!(parse_duration("90s"), Some(Duration::from_secs(90)));
    assert_eq!(parse_size("64MiB"), Some(64 << 20));
    assert_eq!(parse_size("64"), None);
    assert_eq!(parse_size("99999999999999999999GiB"), None);
}

#[test]
fn the_defaults_fit() {
    let settings = Settings::new(Layers::default(), 1 << 30).unwrap();
    assert_eq!((settings.peer_port, settings.client_port, settings.http_port), (7000, 9044, 9180));
    assert!(settings.seeds.is_empty());
}

#[test]
fn the_page_of_settings_is_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/settings.md");
    let page = page();
    if std::env::var_os("UPDATE_GOLDENFILES").is_some() {
        write(path, &page);
    }
    assert_eq!(page, read(path), "UPDATE_GOLDENFILES=1 writes {path} anew");
}

#[test]
fn the_page_of_limits_has_the_table_of_guardrails() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/limits.md");
    let (page, table) = (read(path), guardrails());
    let (before, rest) = page.split_once(TABLE).expect("a table of guardrails");
    let after = rest.split_once("\n\n").expect("something after it").1;
    let expected = format!("{before}{table}\n{after}");
    if std::env::var_os("UPDATE_GOLDENFILES").is_some() {
        write(path, &expected);
    }
    assert_eq!(read(path), expected, "UPDATE_GOLDENFILES=1 writes the table in {path} anew");
}

/// Where the table begins.
const TABLE: &str = "| guardrail |";

#[expect(clippy::disallowed_methods, reason = "a test reads and writes the repository itself")]
fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "a test reads and writes the repository itself")]
fn write(path: &str, text: &str) {
    std::fs::write(path, text).unwrap();
}

#[test]
fn every_guardrail_has_its_two_settings_and_none_is_left_over() {
    let wanted = RAILS
        .iter()
        .flat_map(|it| ["warn", "fail"].map(|level| format!("guardrails.{}_{level}", it.name)));
    let found = SPECS.iter().map(|it| it.key).filter(|it| it.starts_with("guardrails."));
    assert!(wanted.eq(found.map(str::to_owned)));
}

#[test]
fn a_guardrail_is_off_or_within_the_limits_of_the_house() {
    let limits = |file: &str| {
        let settings = Settings::new(layers(file)?, 1 << 30)?;
        Ok::<_, Error>(settings.guardrails[Guardrail::Columns as usize])
    };
    assert_eq!(limits("").unwrap(), Limits { warn: Some(1_000), fail: Some(10_000) });
    let off = "[guardrails]\ncolumns_warn = \"off\"\ncolumns_fail = 7";
    assert_eq!(limits(off).unwrap(), Limits { warn: None, fail: Some(7) });
    let refused = limits("[guardrails]\ncolumns_fail = 10001").unwrap_err().to_string();
    assert!(refused.contains("at most 10000"), "{refused}");
    let refused =
        limits("[guardrails]\ncolumns_warn = 11\ncolumns_fail = 10").unwrap_err().to_string();
    assert!(refused.contains("columns_warn") && refused.contains("columns_fail"), "{refused}");
}

#[test]
fn settings_that_contradict_each_other_are_refused_and_both_are_named() {
    let refused = |file: &str| {
        let error = Settings::new(layers(file).unwrap(), 1 << 30).map(drop).unwrap_err();
        error.to_string()
    };
    for (file, says) in [
        ("[disk]\nwarn = 96", ["`disk.warn` = `96`", "`disk.reject` = `95` (default)"]),
        ("[disk]\nwarn = 71\nreject = 70", ["`disk.warn` = `71`", "`disk.reject` = `70` (file"]),
        ("http_port = 7000", ["`http_port` = `7000`", "`peer_port` (default)"]),
        ("client_port = 7\ncql_port = 7", ["`client_port` = `7`", "`cql_port` (file"]),
        (
            "memory = \"64MiB\"\n[hints]\nbytes_max = \"9MiB\"",
            ["`hints.bytes_max`", "`memory` = `64MiB`"],
        ),
        ("[guardrails]\ncolumns_warn = 9\ncolumns_fail = 8", ["columns_warn", "columns_fail"]),
    ] {
        let error = refused(file);
        assert!(says.iter().all(|it| error.contains(it)), "{file}: {error}");
    }
    for file in [
        // Of a default nobody is told that it is never reached.
        "[disk]\nreject = 70",
        "[disk]\nwarn = 70\nreject = 70",
        "memory = \"64MiB\"",
        "peer_port = 0\nclient_port = 0\nhttp_port = 0",
    ] {
        assert!(Settings::new(layers(file).unwrap(), 1 << 30).is_ok(), "{file}");
    }
}

#[test]
fn connections_take_no_more_than_half_of_the_open_files() {
    let settings = |file: &str| Settings::new(layers(file).unwrap(), 1 << 30).unwrap();
    let fitted = |file: &str, files| {
        let mut settings = settings(file);
        settings.fit_files(files).map(|()| settings.connections())
    };
    assert_eq!(settings("").connections(), 4096);
    assert_eq!(fitted("", 256), Ok(64));
    assert_eq!(fitted("", 1 << 20), Ok(4096));
    assert_eq!(fitted("connections_max = 10000", 1 << 20), Ok(10_000));
    let error = fitted("connections_max = 65", 256).unwrap_err().to_string();
    assert!(error.contains("`connections_max` = `65`") && error.contains("at most 64"), "{error}");
}

/// The other two doors give way to it, unless they were told otherwise.
#[test]
fn drivers_may_have_more_connections_than_others() {
    let fitted = |file: &str, files| {
        let mut settings = Settings::new(layers(file).unwrap(), 1 << 30).unwrap();
        settings.fit_files(files).map(|()| (settings.cql_connections(), settings.connections()))
    };
    assert_eq!(fitted("", 256), Ok((64, 64)));
    assert_eq!(fitted("cql_connections_max = 10000", 20_000), Ok((10_000, 2_500)));
    assert_eq!(fitted("cql_connections_max = 8", 1 << 20), Ok((8, 4096)));
    let error = fitted("cql_connections_max = 185", 256).unwrap_err().to_string();
    assert!(error.contains("`cql_connections_max` = `185`"), "{error}");
    assert!(error.contains("at most 184"), "{error}");
    let error = fitted("cql_connections_max = 100\nconnections_max = 47", 256).unwrap_err();
    assert!(error.to_string().contains("at most 46"), "{error}");
}

#[test]
fn compactions_are_throttled_unless_they_are_told_not_to_be() {
    let throughput =
        |file: &str| Settings::new(layers(file).unwrap(), 1 << 30).unwrap().compaction_throughput;
    assert_eq!(throughput("").map(u64::from), Some(64 << 20));
    assert_eq!(throughput("[compaction]\nthroughput = \"1MiB\"").map(u64::from), Some(1 << 20));
    assert_eq!(throughput("[compaction]\nthroughput = \"off\""), None);
}

#[test]
fn as_many_compactions_run_at_once_as_half_of_the_processors_unless_somebody_says() {
    let concurrent = |file: &str, processors| {
        let mut settings = Settings::new(layers(file).unwrap(), 1 << 30).unwrap();
        settings.fit_processors(processors);
        settings.compactions().get()
    };
    assert_eq!([1, 2, 3, 8, 64].map(|it| concurrent("", it)), [1, 1, 1, 4, 16]);
    assert_eq!(concurrent("[compaction]\nconcurrent = 3", 64), 3);
    assert_eq!(Settings::new(layers("").unwrap(), 1 << 30).unwrap().compactions().get(), 1);
}

#[test]
fn sizes_and_times_that_nothing_could_run_with_are_refused() {
    for (file, says) in [
        ("[commitlog]\nsegment = \"1KiB\"", "64KiB to 256MiB"),
        ("[commitlog]\nsegment = \"2GiB\"", "64KiB to 256MiB"),
        ("[commitlog]\nsync_period = \"0s\"", "from 1ms"),
        ("[timeouts]\nread = \"0ms\"", "from 1ms"),
        ("[timeouts]\nwrite = \"2h\"", "to 1h"),
        ("[hints]\nthrottle = \"0B\"", "from 1KiB"),
        ("[compaction]\nthroughput = \"0B\"", "off, or a size from 1MiB"),
        ("[compaction]\nthroughput = \"64\"", "off, or a size from 1MiB"),
        ("[compaction]\nconcurrent = 0", "auto, or a number from 1 to 16"),
        ("[compaction]\nconcurrent = 17", "auto, or a number from 1 to 16"),
        ("[disk]\nreject = 0", "1 to 100"),
        ("[disk]\nwarn = 101", "1 to 100"),
    ] {
        let error = Settings::new(layers(file).unwrap(), 1 << 30).map(drop).unwrap_err();
        assert!(error.to_string().contains(says), "{file}: {error}");
    }
}
