<?php

return [
    'defaults' => ['guard' => 'api', 'passwords' => null],
    'guards' => ['api' => ['driver' => 'token', 'provider' => 'channels', 'hash' => false]],
    'providers' => ['channels' => ['driver' => 'database', 'table' => 'channels']],
];
