"""Models made elsewhere behind the one NumPy contract: ONNX graphs, torch.export programs, JAX, other processes."""
