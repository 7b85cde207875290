"""A plugin of buf that makes Python: messages, their types, and the clients of services, by grpc_tools.

buf calls it with the files to generate, and has taken out of them what is not for clients.
"""

import pathlib
import sys
import tempfile

from google.protobuf import descriptor_pb2
from google.protobuf.compiler import plugin_pb2
from grpc_tools import protoc


def main() -> None:
    request = plugin_pb2.CodeGeneratorRequest.FromString(sys.stdin.buffer.read())
    response = plugin_pb2.CodeGeneratorResponse()
    response.supported_features = plugin_pb2.CodeGeneratorResponse.FEATURE_PROTO3_OPTIONAL
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        (root / "set").write_bytes(descriptor_pb2.FileDescriptorSet(file=request.proto_file).SerializeToString())
        out = root / "out"
        out.mkdir()
        args = [f"--descriptor_set_in={root / 'set'}"] + [f"--{kind}_out={out}" for kind in ("python", "pyi", "grpc_python")]
        if protoc.main(["protoc", *args, *request.file_to_generate]) != 0:
            response.error = "grpc_tools refused the files"
        else:
            for path in sorted(p for p in out.rglob("*") if p.is_file()):
                # A file without services has nothing to call.
                if path.name.endswith("_pb2_grpc.py") and "Stub(" not in path.read_text():
                    continue
                response.file.add(name=str(path.relative_to(out)), content=path.read_text())
    sys.stdout.buffer.write(response.SerializeToString())


main()
