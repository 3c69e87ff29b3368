# Installed below once the targets exist: library, headers, pkg-config file, CMake package.
