"""OpenGLIA's additions to Vidur. Nothing in Vidur's own files is changed but two replaced modules."""
