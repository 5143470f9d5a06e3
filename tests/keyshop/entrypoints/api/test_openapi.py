"""Requests that schemathesis generates from the OpenAPI document."""

import asyncio
import socket
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import uvicorn
from litestar.types import ASGIApp

CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "unsupported_method",
]


@pytest_asyncio.fixture
async def address(app: ASGIApp) -> AsyncIterator[str]:
    """The API on its own port."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
    # Connections wait in the listener's queue until the server is ready.
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    await serving


class TestOpenApiDocument:
    # Schemathesis registers an account, so that its requests are signed in.
    @pytest.mark.parametrize(
        "effort",
        [
            ("--phases=fuzzing", "--max-examples=4"),
            pytest.param(("--max-examples=40",), marks=pytest.mark.slow, id="slow"),
        ],
    )
    async def test_is_true_for_generated_requests(
        self, address: str, tmp_path: Path, effort: tuple[str, ...]
    ):
        program = Path(sys.executable).with_name("schemathesis")

        process = await asyncio.create_subprocess_exec(
            program,
            "run",
            f"{address}/openapi.json",
            f"--checks={','.join(CHECKS)}",
            *effort,
            "--seed=1",
            "--no-color",
            cwd=tmp_path,
            stdout=PIPE,
            stderr=STDOUT,
        )
        async with asyncio.timeout(1_200):
            report, _ = await process.communicate()

        assert process.returncode == 0, report.decode()
