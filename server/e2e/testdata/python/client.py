"""Makes a call and follows the feed with the generated Python client; prints what it got as JSON.

usage: client.py SOCKET BOOKMARK
"""

import json
import sys

import grpc
from google.protobuf.json_format import MessageToDict

from hearth.packages.v1 import packages_pb2, packages_pb2_grpc
from hearth.state.v1 import state_pb2, state_pb2_grpc


def main(socket: str, bookmark: str) -> None:
    with grpc.insecure_channel(f"unix:{socket}", options=[("grpc.default_authority", "localhost")]) as channel:
        listed = packages_pb2_grpc.PackageServiceStub(channel).ListPackages(packages_pb2.ListPackagesRequest())
        target = state_pb2.Target(id="t", selectors=[state_pb2.Selector(kind="package")], bookmark=bookmark)
        updates = []
        feed = state_pb2_grpc.StateServiceStub(channel).Watch(state_pb2.WatchRequest(targets=[target]), timeout=30)
        for response in feed:
            updates += [MessageToDict(u) for u in response.updates]
            if any(u.bookmark for u in response.updates):
                feed.cancel()
                break
    print(json.dumps({"packages": [p.meta.id for p in listed.packages], "updates": updates}))


main(*sys.argv[1:])
