<?php

namespace App;

use Illuminate\Database\SQLiteConnection as FrameworkConnection;

/** Takes the write lock when a transaction begins: one that reads first and then writes may fail as "database is locked". */
class SqliteConnection extends FrameworkConnection
{
    protected function createTransaction()
    {
        parent::createTransaction();
        $this->getPdo()->exec('DELETE FROM cache WHERE false');
    }
}
