//! tonic as a backend, over TCP and over a Unix domain socket.
