"""Files of named tensors that other libraries write: safetensors, torch's pickles, transformers' HDF5."""
