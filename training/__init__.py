"""The laboratory: labelled faces in, a bundle (a trained age model as files) out."""
