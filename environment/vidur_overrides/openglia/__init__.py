"""OpenGLIA's additions to Vidur. Two of Vidur's own files are replaced; no other is changed."""
