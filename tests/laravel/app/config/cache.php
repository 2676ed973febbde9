<?php

// A database, not files: the file store counts by reading and then writing, so that workers lose counts to each other.
return [
    'default' => 'database',
    'stores' => ['database' => ['driver' => 'database', 'table' => 'cache', 'connection' => null]],
    'prefix' => 'contacts',
];
