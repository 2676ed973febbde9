<?php

// The front controller: every request passes through the framework's HTTP kernel, and its answer is noted in `calls`.

use App\SqliteConnection;
use Illuminate\Contracts\Debug\ExceptionHandler;
use Illuminate\Contracts\Http\Kernel;
use Illuminate\Database\Connection;
use Illuminate\Foundation\Application;
use Illuminate\Http\Request;
use Illuminate\Support\Facades\DB;

require 'Illuminate/autoload.php';
spl_autoload_register(function ($class) {
    if (str_starts_with($class, 'App\\')) {
        require __DIR__.'/src/'.substr($class, 4).'.php';
    }
});
Connection::resolverFor('sqlite', fn (...$arguments) => new SqliteConnection(...$arguments));

$app = new Application(__DIR__);
$app->useLangPath(__DIR__.'/lang');
$app->useStoragePath(getenv('APP_STORAGE'));
$app->singleton(Kernel::class, App\Kernel::class);
$app->singleton(ExceptionHandler::class, App\Handler::class);

$request = Request::capture();
if (getenv('APP_DROP_ACCEPT')) {
    // What a proxy does that passes on only the headers it knows.
    $request->headers->remove('Accept');
}
$kernel = $app->make(Kernel::class);
$response = $kernel->handle($request);
DB::table('calls')->insert([
    'at' => $request->server('REQUEST_TIME_FLOAT'),
    'method' => $request->method(),
    'path' => $request->path(),
    'status' => $response->getStatusCode(),
]);
$response->send();
$kernel->terminate($request, $response);
