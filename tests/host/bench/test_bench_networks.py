"""The benchmark's networks: of the published size, and in C what TensorFlow Lite's reference kernels make of them."""

import pytest

from tinyscene.bench import networks as bench_networks
from tinyscene.compiler import complexity, verify

# Multiply-accumulates by the published shapes
MACS = {"ResNet-8": 12_501_632, "DS-CNN": 2_656_768, "MobileNetV1 0.25": 7_489_664, "autoencoder": 264_192}


@pytest.mark.parametrize("name", bench_networks.NETWORKS)
def test_network_has_the_published_size_and_the_references_bytes(name: str) -> None:
    model = bench_networks.converted(name)
    assert complexity.measure(model).macs == MACS[name]
    report = verify.verify(model, "host", 4)
    assert report.mismatches == 0
    assert report.values > 0
