"""A FastAPI application that does nothing, served as the gateway is: the least a request costs."""

import sys

import uvicorn
from fastapi import FastAPI

app = FastAPI()


@app.get("/empty")
async def empty() -> dict[str, str]:
    return {}


if __name__ == "__main__":
    uvicorn.run(
        app, port=int(sys.argv[1]), http="httptools", ws="none", log_config=None, access_log=False
    )
