"""fwknop-wrt's web page: see and change who may knock, in the manner of LuCI."""
