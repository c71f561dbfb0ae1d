"""What cqlsh of PyPI does with Helenus.

    python check_cqlsh.py PROGRAM CQLSH
"""

import datetime
import os
import subprocess
import sys
import tempfile

import cluster as processes


class Shell:
    """Runs cqlsh once for each statement, as a script would."""

    def __init__(self, program, port):
        self.command = [program, processes.ADDRESSES[0], str(port), "--connect-timeout=30", "--request-timeout=60"]

    def run(self, *lines, fails=False):
        done = subprocess.run(
            self.command, input="\n".join(lines) + "\n", capture_output=True, text=True, timeout=180
        )
        assert fails or not done.stderr, done.stderr
        return done.stderr if fails else done.stdout


SETUP = [
    "CREATE KEYSPACE IF NOT EXISTS shop WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': 3};",
    "CREATE TABLE IF NOT EXISTS shop.orders (customer text, at timestamp, id uuid, total decimal, note text, "
    "PRIMARY KEY (customer, at)) WITH CLUSTERING ORDER BY (at DESC) AND comment = 'it''s';",
    "INSERT INTO shop.orders (customer, at, id, total, note) VALUES "
    "('ann', '2024-01-02T03:04:05.678Z', 123e4567-e89b-42d3-a456-426614174000, 12.50, 'two, \"quoted\"');",
    "INSERT INTO shop.orders (customer, at, total) VALUES ('bob', '2024-02-03T00:00:00Z', 1);",
]


def check_rows_are_shown(shell):
    shell.run(*SETUP)
    shown = shell.run("SELECT customer, at, total, note FROM shop.orders WHERE customer = 'ann';")
    for word in ("customer", "ann", "2024-01-02 03:04:05.678", "12.50", 'two, "quoted"', "(1 rows)"):
        assert word in shown, (word, shown)
    shown = shell.run("USE shop;", "EXPAND ON", "SELECT * FROM orders WHERE customer = 'bob';")
    assert "@ Row 1" in shown and "note" in shown and "null" in shown, shown
    shown = shell.run("SELECT * FROM system.local;", "SELECT * FROM system.peers_v2;")
    assert "Murmur3Partitioner" in shown and "127.0.0.3" in shown, shown


def check_what_is_described_creates_it_again(shell):
    shell.run(*SETUP)
    assert "shop" in shell.run("DESCRIBE KEYSPACES")
    assert "orders" in shell.run("USE shop;", "DESCRIBE TABLES")
    shown = shell.run("DESCRIBE CLUSTER")
    assert "Cluster: drivers" in shown and "Murmur3Partitioner" in shown, shown
    assert "CREATE TABLE shop.orders" in shell.run("DESCRIBE SCHEMA")
    before = shell.run("DESCRIBE KEYSPACE shop")
    assert "CREATE KEYSPACE shop" in before and "comment = 'it''s'" in before, before
    shell.run("DROP KEYSPACE shop;")
    shell.run(before)
    assert shell.run("DESCRIBE KEYSPACE shop") == before
    table = shell.run("DESCRIBE TABLE shop.orders")
    assert "CLUSTERING ORDER BY (at DESC)" in table, table


def check_a_trace_is_shown(shell):
    shell.run(*SETUP)
    shown = shell.run("TRACING ON", "SELECT total FROM shop.orders WHERE customer = 'bob';", "TRACING OFF")
    for word in ("Tracing session:", "Execute CQL3 query", "asked (data)", "answered (data", "Request complete"):
        assert word in shown, (word, shown)


def check_errors_are_told(shell):
    shown = shell.run("SELEKT 1;", fails=True)
    assert "SyntaxException" in shown and "HX2001" in shown, shown
    shown = shell.run("SELECT * FROM shop.nothing;", fails=True)
    assert "InvalidRequest" in shown and "HX2002" in shown, shown


def check_scripts_are_read(shell):
    with tempfile.NamedTemporaryFile("w", suffix=".cql", delete=False) as script:
        script.write("\n".join(SETUP) + "\nSELECT total FROM shop.orders WHERE customer = 'bob';\n")
    try:
        assert "(1 rows)" in shell.run(f"SOURCE '{script.name}'")
    finally:
        os.remove(script.name)


def check_a_copy_goes_out_and_comes_back(shell):
    shell.run(*SETUP)
    inserts = [
        f"INSERT INTO shop.orders (customer, at, total, note) VALUES ('c{row % 10}', {row}, {row}.25, 'note {row}');"
        for row in range(500)
    ]
    shell.run(*inserts)
    columns = "(customer, at, id, total, note)"
    everything = "SELECT customer, at, id, total, note FROM shop.orders;"
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "orders.csv")
        before = sorted(shell.run("PAGING OFF", everything).splitlines())
        shell.run(f"COPY shop.orders {columns} TO '{path}' WITH HEADER = true;")
        assert len(open(path).read().splitlines()) >= 503, path
        shell.run("TRUNCATE shop.orders;")
        assert "(0 rows)" in shell.run(everything)
        shell.run(f"COPY shop.orders {columns} FROM '{path}' WITH HEADER = true;")
        assert sorted(shell.run("PAGING OFF", everything).splitlines()) == before


def check_a_copy_of_counters_is_added_to_what_is_there(shell):
    shell.run(
        SETUP[0],
        "CREATE TABLE IF NOT EXISTS shop.visits (page text PRIMARY KEY, views counter, likes counter);",
        "UPDATE shop.visits SET views = views + 41 WHERE page = 'home';",
        "UPDATE shop.visits SET views = views + 1, likes = likes - 2 WHERE page = 'about';",
    )
    everything = "SELECT page, views, likes FROM shop.visits;"
    cells = lambda: sorted(line.split() for line in shell.run(everything).splitlines() if "|" in line)
    assert ["home", "|", "41", "|", "null"] in cells(), cells()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "visits.csv")
        shell.run(f"COPY shop.visits (page, views, likes) TO '{path}' WITH NULL = '0';")
        shell.run(f"COPY shop.visits (page, views, likes) FROM '{path}';")
    assert ["home", "|", "82", "|", "0"] in cells(), cells()
    assert ["about", "|", "2", "|", "-4"] in cells(), cells()
    assert "views counter" in shell.run("DESCRIBE TABLE shop.visits")


def main():
    program, cqlsh = sys.argv[1:3]
    with processes.Cluster(program) as nodes:
        shell = Shell(cqlsh, nodes.cql_port)
        for name, check in list(globals().items()):
            if name.startswith("check_"):
                begun = datetime.datetime.now()
                check(shell)
                seconds = (datetime.datetime.now() - begun).total_seconds()
                print(f"ok {seconds:6.1f} s  cqlsh: {name[6:].replace('_', ' ')}", flush=True)


if __name__ == "__main__":
    main()
