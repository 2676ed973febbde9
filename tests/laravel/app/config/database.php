<?php

return [
    'default' => 'sqlite',
    'connections' => ['sqlite' => ['driver' => 'sqlite', 'database' => getenv('APP_STORAGE').'/contacts.db', 'prefix' => '']],
];
