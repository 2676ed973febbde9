<?php

namespace App;

use Illuminate\Foundation\Support\Providers\RouteServiceProvider as FrameworkProvider;

class RouteServiceProvider extends FrameworkProvider
{
    public function boot()
    {
        $this->routes(fn () => require __DIR__.'/../routes.php');
    }
}
