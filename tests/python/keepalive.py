"""A grpcio client that pings far more often than servers usually bear: its connection must last, during calls and without
any. The backend behind the gateway should ping as often.
"""

import argparse
import os
import sys
import threading

import grpc
from google.protobuf import duration_pb2

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
pb, services = grpc.protos_and_services("echo.proto")

MILLISECONDS = 100
# Twenty pings.
SECONDS = 2


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address")
    options = [
        ("grpc.keepalive_time_ms", MILLISECONDS),
        ("grpc.keepalive_timeout_ms", 10 * MILLISECONDS),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        # A new connection would hide that one was ended.
        ("grpc.initial_reconnect_backoff_ms", 60_000),
    ]
    channel = grpc.insecure_channel(parser.parse_args().address, options=options)
    grpc.channel_ready_future(channel).result(timeout=20)
    left = threading.Event()
    channel.subscribe(lambda state: state != grpc.ChannelConnectivity.READY and left.set())
    echo, streams = services.EchoStub(channel), services.StreamsStub(channel)

    pause = duration_pb2.Duration(nanos=MILLISECONDS * 1_000_000)
    watch = pb.WatchRequest(id="busy", count=SECONDS * 1000 // MILLISECONDS, pause=pause)
    assert len(list(streams.Watch(watch, timeout=30))) == watch.count
    # A call on which nothing happens.
    wait = pb.WaitRequest(id="silent", time=duration_pb2.Duration(seconds=SECONDS))
    echo.Wait(wait, timeout=30)
    assert not left.wait(SECONDS), "the connection did not last without a call"
    assert echo.Echo(pb.Everything(string="a"), timeout=20).string == "a"
    assert not left.is_set(), "the connection was ended"


if __name__ == "__main__":
    main()
