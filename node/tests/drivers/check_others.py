"""What drivers of other languages see of Helenus, through Python packages that are made of them: scyllapy is the Rust driver
`scylla`, acsylla the C++ driver.

    python check_others.py PROGRAM
"""

import asyncio
import sys

import acsylla
from scyllapy import InlineBatch, Scylla
from scyllapy.exceptions import ScyllaPyDBError

import cluster as processes

ROWS = 200


def statements(keyspace):
    return [
        f"CREATE KEYSPACE {keyspace} WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': 3}}",
        f"CREATE TABLE {keyspace}.t (k int, c int, v text, PRIMARY KEY (k, c))",
    ]


async def check_rust(nodes):
    session = Scylla([f"{address}:{nodes.cql_port}" for address in processes.ADDRESSES])
    await session.startup()
    for statement in statements("rust"):
        await session.execute(statement)
    insert = await session.prepare("INSERT INTO rust.t (k, c, v) VALUES (?, ?, ?)")
    for row in range(ROWS):
        await session.execute(insert, [row % 3, row, f"v{row}"])
    pages = await session.execute("SELECT c FROM rust.t", paged=True)
    assert sorted([row["c"] async for row in pages]) == list(range(ROWS))
    select = await session.prepare("SELECT v FROM rust.t WHERE k = ? AND c = ?")
    assert (await session.execute(select, [1, 1])).all() == [{"v": "v1"}]
    batch = InlineBatch()
    batch.add_query("INSERT INTO rust.t (k, c, v) VALUES (9, 1, 'batch')")
    await session.batch(batch)
    assert len((await session.execute("SELECT * FROM rust.t")).all()) == ROWS + 1
    try:
        await session.execute("SELECT * FROM rust.nothing")
        raise AssertionError("it worked")
    except ScyllaPyDBError as error:
        assert "HX2002" in str(error) and "syntactically correct but invalid" in str(error), error
    await session.shutdown()


async def check_cpp(nodes):
    cluster = acsylla.create_cluster(processes.ADDRESSES, port=nodes.cql_port, protocol_version=4)
    session = await cluster.create_session()
    for statement in statements("cpp"):
        await session.query(statement)
    insert = await session.create_prepared("INSERT INTO cpp.t (k, c, v) VALUES (?, ?, ?)")
    for row in range(ROWS):
        bound = insert.bind()
        bound.bind_list([row % 3, row, f"v{row}"])
        await session.execute(bound)
    select, found = acsylla.create_statement("SELECT c FROM cpp.t", page_size=13), []
    while True:
        page = await session.execute(select)
        found += [row.c for row in page]
        if not page.has_more_pages():
            break
        select.set_page_state(page.page_state())
    assert sorted(found) == list(range(ROWS))
    batch = acsylla.create_batch_unlogged()
    batch.add_statement(acsylla.create_statement("INSERT INTO cpp.t (k, c, v) VALUES (9, 1, 'batch')"))
    await session.execute_batch(batch)
    try:
        await session.query("SELECT * FROM cpp.nothing")
        raise AssertionError("it worked")
    except Exception as error:
        assert "HX2002" in str(error) and "Invalid" in str(error), error
    await session.close()


def main():
    with processes.Cluster(sys.argv[1]) as nodes:
        for name, check in (("Rust", check_rust), ("C++", check_cpp)):
            asyncio.run(check(nodes))
            print("ok          the driver of", name, flush=True)


if __name__ == "__main__":
    main()
