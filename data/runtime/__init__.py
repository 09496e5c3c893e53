"""What all commands share: errors and exit codes, arguments, threads and processes, names, figures."""
