"""What a pretrained model is read from: a folder found, checked and described, and its file formats."""
